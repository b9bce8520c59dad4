#!/bin/sh
# Takes away what is left of the machines, also after Vagrant was killed: what it still knows it destroys itself,
# then go domains, disks and networks that bear our prefix. Quiet if there is nothing.
#
#   ./clean.sh [NAME...]     these machines, like debian-7.3; all, the box's disk and the network if none is named
set -u
cd "$(dirname "$0")" || exit 2
. ./lib.sh
need vagrant="vagrant vagrant-libvirt" virsh=libvirt-clients

# Destroying asks the guest nothing, so a minute is plenty; what hangs here is taken by force below.
timeout --kill-after=10 120 vagrant destroy --force "$@" >/dev/null 2>&1

# Machines and their disks are halfopen-NAME, the box's disk is halfopen_vagrant_box_image_VERSION.
patterns='^halfopen[-_]'
if [ $# -gt 0 ]; then
	patterns=$(printf '^halfopen-%s([.]img)?$\n' "$@" | sed 's/\([0-9]\)[.]\([0-9]\)/\1[.]\2/')
fi
virsh list --all --name | grep -E "$patterns" | while read -r domain; do
	virsh destroy "$domain" >/dev/null 2>&1
	virsh undefine "$domain" --nvram --snapshots-metadata >/dev/null || echo "$0: the domain $domain stays: virsh undefine $domain says why" >&2
done
pool=default
virsh vol-list "$pool" 2>/dev/null | awk '{ print $1 }' | grep -E "$patterns" | while read -r disk; do
	virsh vol-delete "$disk" --pool "$pool" >/dev/null || echo "$0: the disk $disk stays: virsh vol-delete $disk --pool $pool says why" >&2
done
[ $# -gt 0 ] || virsh net-list --all --name | grep -E '^halfopen-' | while read -r network; do
	virsh net-destroy "$network" >/dev/null 2>&1
	virsh net-undefine "$network" >/dev/null || echo "$0: the network $network stays: virsh net-undefine $network says why" >&2
done
exit 0
