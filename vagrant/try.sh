#!/bin/sh
# Tries all of it: makes the box, brings a machine up, runs the suite in it, joins its results, destroys it; kills
# Vagrant half-way and cleans up; and sees that nothing is left. For CI, and for whoever changed something here.
# Needs root, and the distribution's archive for what is not made yet.
#
#   ./try.sh [NAME...]     debian-6.12 if none is named
#
# HALFOPEN_NAMES are the stories to prove; "open process-crash" if it is not set. Exit code: 0, or 2 if a
# machine had no results or anything is left. What the claims came to is for row.sh to judge: here it is no matter.
set -u
cd "$(dirname "$0")" || exit 2
. ./lib.sh
need vagrant="vagrant vagrant-libvirt" virsh=libvirt-clients ps=procps
[ $# -gt 0 ] || set -- debian-6.12
export HALFOPEN_NAMES="${HALFOPEN_NAMES-open process-crash}"


if [ -z "${HALFOPEN_ALONE:-}" ]; then
	began=$(date +%s)
	[ -r "$HALFOPEN_VAGRANT/box.json" ] || ./box.sh || exit 2
	halfopen_binary
	# The network that a kernel may have to be fetched over is outside.
	for name; do ./kernel.sh "${name#debian-}" || exit 2; done

	./alone.sh ./try.sh "$@"
	code=$?

	rm -rf "$HALFOPEN_VAGRANT/alone"
	# Whatever runs for us names the folder: QEMU its kernel, dnsmasq and libvirtd their configuration.
	left=$(for program in /proc/[0-9]*; do
		{ tr '\0' ' ' <"$program/cmdline"; } 2>/dev/null | grep -F "$HALFOPEN_VAGRANT/" | sed "s|^|process ${program#/proc/}: |"
	done
	grep -F "$HALFOPEN_VAGRANT/" /proc/mounts
	ls -d "$HALFOPEN_VAGRANT"/box.?????? "$HALFOPEN_VAGRANT"/kernel.?????? 2>/dev/null)
	[ -z "$left" ] || die "this is left: $left"
	echo "nothing is left; $(($(date +%s) - began)) s in all"
	exit "$code"
fi

# Here libvirt, network and processes are this command's own: whatever is seen is ours.
clean_after() {
	./clean.sh
	# QEMU and dnsmasq end a moment after libvirt says that they have.
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		left=$(virsh list --all --name; virsh vol-list default 2>/dev/null
			# shellcheck disable=SC2009 # with the process's number
			ps -e -o pid= -o comm= | grep -E 'qemu|dnsmasq|ruby|vagrant'
			ip -brief link | grep -v '^lo '
			find "$HALFOPEN_ALONE/lib" -name '*halfopen*' 2>/dev/null)
		left=$(echo "$left" | sed '/^ *$/d')
		[ -n "$left" ] || return 0
		sleep 1
	done
	die "after $1 this is left: $left"
}

./row.sh "$@"
code=$?
[ "$code" != 1 ] || code=0
clean_after "the row"

# Twice, because a machine that is being made leaves other things than one that runs.
for state in "disk halfopen" "domain halfopen"; do
	vagrant up --no-provision "$1" >"$HALFOPEN_VAGRANT/killed.log" 2>&1 &
	vagrant=$!
	waited=0
	while kill -0 "$vagrant" 2>/dev/null && [ "$waited" -lt 600 ]; do
		case $state in
		disk*) virsh vol-list default 2>/dev/null | grep -q halfopen && break ;;
		*) virsh list --name | grep -q halfopen && break ;;
		esac
		sleep 0.1
		waited=$((waited + 1))
	done
	kill -KILL "$vagrant" 2>/dev/null || die "vagrant up ended before it could be killed: see $HALFOPEN_VAGRANT/killed.log"
	wait "$vagrant" 2>/dev/null
	clean_after "a kill with a ${state% *}"
	echo "killed with a ${state% *} made: all of it is gone"
done
rm -f "$HALFOPEN_VAGRANT/killed.log"
exit "$code"
