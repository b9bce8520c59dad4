#!/bin/sh
# Runs a command with a libvirt of its own, in namespaces of its own: its network, its processes and its folders are
# seen by nothing outside, and when the command ends, however it ends, the kernel takes all of it away. For CI, for
# containers, and where no libvirt runs. Needs root.
#
#   ./alone.sh COMMAND...     like ./alone.sh ./row.sh debian-7.3
#
# What libvirt and Vagrant keep (machines, disks, the box) lies in .machines/alone until it is removed.
set -eu
cd "$(dirname "$0")"
. ./lib.sh
PATH=$PATH:/usr/sbin:/sbin

[ $# -gt 0 ] || die "give the command to run, like: $0 ./row.sh"
[ "$(id -u)" = 0 ] || die "a network and mounts of one's own are made by root: run it with sudo"
need libvirtd=libvirt-daemon-system virsh=libvirt-clients qemu-system-x86_64="qemu-system-x86 libvirt-daemon-driver-qemu" dnsmasq=dnsmasq-base iptables=iptables ip=iproute2 unshare=util-linux
[ -d /etc/libvirt/qemu ] || die "libvirt's configuration is missing: apt-get install libvirt-daemon-system"

keep=$HALFOPEN_VAGRANT/alone
if [ "${HALFOPEN_ALONE:-}" != "$keep" ]; then
	export HALFOPEN_ALONE="$keep"
	exec unshare --mount --net --pid --fork --kill-child --mount-proc "$PWD/alone.sh" "$@"
fi

for folder in lib cache log; do
	mkdir -p "$keep/$folder" "/var/$folder/libvirt"
	mount --bind "$keep/$folder" "/var/$folder/libvirt"
done
[ -d "$keep/etc" ] || cp -a /etc/libvirt "$keep/etc"
# As root and without a security driver: else libvirt asks QEMU what it can at every call where there is no KVM,
# which takes a minute. Nothing but this command can reach it.
cat >"$keep/etc/qemu.conf" <<'END'
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
stdio_handler = "file"
END
printf 'auth_unix_ro = "none"\nauth_unix_rw = "none"\n' >"$keep/etc/libvirtd.conf"
mount --bind "$keep/etc" /etc/libvirt
mount -t tmpfs run /run
ip link set lo up

libvirtd --daemon --config /etc/libvirt/libvirtd.conf
virsh connect || die "libvirt does not start: see $keep/log/libvirtd.log"
export VAGRANT_HOME="$keep/vagrant.d"
export VAGRANT_DOTFILE_PATH="$keep/vagrant"
# Not exec: the first process of the namespace has orphans to wait for, and a signal must reach the command.
"$@" &
command=$!
trap 'kill -TERM "$command" 2>/dev/null' TERM HUP
trap 'kill -INT "$command" 2>/dev/null; kill -TERM "$command" 2>/dev/null' INT
code=0
wait "$command" || code=$?
# A trapped signal ends the first wait early.
while kill -0 "$command" 2>/dev/null; do wait "$command" || code=$?; done
exit "$code"
