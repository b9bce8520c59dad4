# shellcheck shell=sh
# What the scripts of this folder share; they source it after `cd` into the folder.

repository=$(cd .. && pwd)
# The box, kernels and initial RAM disks. QEMU must be able to read it: where libvirt runs QEMU as a user of its
# own, a folder in a closed home is not enough.
HALFOPEN_VAGRANT=$(realpath -m "${HALFOPEN_VAGRANT:-.machines}")
HALFOPEN_RESULTS=$(realpath -m "${HALFOPEN_RESULTS:-results}")
LIBVIRT_DEFAULT_URI=${LIBVIRT_DEFAULT_URI:-qemu:///system}
VAGRANT_DEFAULT_PROVIDER=${VAGRANT_DEFAULT_PROVIDER:-libvirt}
export HALFOPEN_VAGRANT HALFOPEN_RESULTS LIBVIRT_DEFAULT_URI VAGRANT_DEFAULT_PROVIDER
# Nothing here wants to ask about newer versions.
export VAGRANT_CHECKPOINT_DISABLE=1

die() {
	echo "$0: $*" >&2
	exit 2
}

# need PROGRAM PACKAGE...: every program, or a sentence with the packages to install.
need() {
	lacking=
	for pair; do
		PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%=*}" >/dev/null || lacking="$lacking ${pair#*=}"
	done
	[ -z "$lacking" ] || die "programs are missing: apt-get install --no-install-recommends$lacking"
}

# halfopen_binary builds what is copied into the machines.
halfopen_binary() {
	if [ ! -x "$repository/halfopen" ] || command -v go >/dev/null; then
		make --quiet --directory "$repository" build >/dev/null || die "halfopen cannot be built: see \`make build\`"
	fi
}

# With a terminal virsh would ask polkit, which is not there, on every call.
virsh() { setsid --wait virsh --quiet "$@"; }
