#!/bin/sh
# Brings up one machine after another, runs the suite in it, fetches its results and destroys it; then joins all
# results into one matrix. A machine that does not come up, or does not finish, is a column that says so.
#
#   ./row.sh [NAME...]     like debian-5.10 debian-7.3; all of the Vagrantfile if none is named
#
# HALFOPEN_NAMES are the stories or claims to prove (all if empty), HALFOPEN_BOOT and HALFOPEN_LIMIT the seconds that
# a machine may take to come up and to run; README.md lists what else there is. Exit code: 0 every claim holds,
# 1 a claim failed, 2 a machine has no results.
set -u
cd "$(dirname "$0")" || exit 2
. ./lib.sh
need vagrant="vagrant vagrant-libvirt" virsh=libvirt-clients timeout=coreutils
virsh connect 2>/dev/null || die "no libvirt answers at $LIBVIRT_DEFAULT_URI: start libvirtd, or run this by ./alone.sh"
[ -r "$HALFOPEN_VAGRANT/box.json" ] || [ -n "${HALFOPEN_BOX:-}" ] || die "there is no box yet: make it with sudo ./box.sh"
halfopen_binary

[ $# -gt 0 ] || eval "set -- $(vagrant status --machine-readable | awk -F , '$3 == "state" { printf "%s ", $2 }')"
[ $# -gt 0 ] || die "the Vagrantfile names no machine: see \`vagrant status\`"

under_way= # the process that works for us
machine=   # what it works on
# shellcheck disable=SC2317 # by the trap
leave() {
	trap '' INT TERM HUP
	[ -z "$under_way" ] || { kill -TERM "$under_way" && wait "$under_way"; } 2>/dev/null
	[ -z "$machine" ] || ./clean.sh "$machine"
	exit 130
}
trap leave INT TERM HUP

# within SECONDS COMMAND...: in the background, because a shell that waits hears a signal at once.
within() {
	limit=$1
	shift
	timeout --kill-after=5 "$limit" "$@" &
	under_way=$!
	wait "$under_way"
	code=$?
	under_way=
	return "$code"
}

# KVM that is there need not work: a kernel without a disk comes to its end in a second where it does.
if [ -z "${HALFOPEN_KVM:-}" ] && [ -w /dev/kvm ]; then
	HALFOPEN_KVM=no
	first=$HALFOPEN_VAGRANT/kernels/${1#debian-}/vmlinuz
	if [ -r "$first" ] && timeout 20 qemu-system-x86_64 -accel kvm -cpu host -m 256 -display none -monitor none -serial stdio \
		-no-reboot -kernel "$first" -append "console=ttyS0 panic=-1" 2>/dev/null </dev/null | grep -q "Linux version"; then
		HALFOPEN_KVM=yes
	fi
	export HALFOPEN_KVM
fi

# bring NAME: up, run, results; the sentence on failure goes to $problem.
bring() {
	name=$1
	log=$HALFOPEN_VAGRANT/$name.log
	: >"$log"
	problem=
	series=${name#debian-}
	if ! ./kernel.sh "$series" >>"$log" 2>&1; then
		problem="there is no kernel to boot"
		return 1
	fi
	began=$(date +%s)
	within "${HALFOPEN_BOOT:-600}" vagrant up --no-provision --no-destroy-on-error "$name" >>"$log" 2>&1
	code=$?
	up=$(($(date +%s) - began))
	if [ "$code" != 0 ]; then
		problem="the machine did not come up in $up s"
		return 1
	fi
	began=$(date +%s)
	within "${HALFOPEN_LIMIT:-1800}" vagrant provision "$name" >>"$log" 2>&1
	code=$?
	ran=$(($(date +%s) - began))
	if [ "$code" != 0 ] || [ ! -s "$HALFOPEN_RESULTS/$name/results.json" ]; then
		problem="the machine came up in $up s, and had no results after $ran s"
		return 1
	fi
}

for name; do
	./clean.sh "$name"
	rm -rf "${HALFOPEN_RESULTS:?}/$name"
	mkdir -p "$HALFOPEN_RESULTS/$name"
	machine=$name
	if bring "$name"; then
		echo "$name: up in $up s, ran $ran s: $(tail -n 1 "$HALFOPEN_RESULTS/$name/run.txt")"
	else
		console=$HALFOPEN_VAGRANT/$name.console
		echo "$name: $problem; see $log$([ ! -s "$console" ] || echo " and $console")" >&2
		# Of what was fetched in part nothing counts.
		rm -rf "${HALFOPEN_RESULTS:?}/$name"
		mkdir -p "$HALFOPEN_RESULTS/$name"
		printf '{"schema": "halfopen.matrix/v1", "kernels": [{"name": "%s", "problem": "%s"}]}\n' "$name" "$problem" >"$HALFOPEN_RESULTS/$name/matrix.json"
	fi
	./clean.sh "$name"
	machine=
done

# An earlier matrix would bring back columns that have been run again.
rm -f "$HALFOPEN_RESULTS/matrix.json"
"$repository/halfopen" report "$HALFOPEN_RESULTS" --out "$HALFOPEN_RESULTS"
