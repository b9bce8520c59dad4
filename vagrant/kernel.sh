#!/bin/sh
# Makes what the Vagrantfile boots of each kernel, from halfopen's own cache: the kernel and an initial RAM disk with
# its modules. Fetches and verifies the kernel (`halfopen kernels pull`) if it is not in the cache yet.
#
#   ./kernel.sh SERIES...     like 5.10 7.3
set -eu
cd "$(dirname "$0")"
. ./lib.sh
PATH=$PATH:/usr/sbin:/sbin

[ $# -gt 0 ] || die "name the kernels' series, like: $0 5.10 7.3"
need depmod=kmod cpio=cpio
[ -x "$HALFOPEN_VAGRANT/busybox" ] || die "there is no box yet: make it with sudo ./box.sh"
[ -x "$repository/halfopen" ] || halfopen_binary

work=$(mktemp -d "$HALFOPEN_VAGRANT/kernel.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

for series; do
	"$repository/halfopen" kernels pull "debian:$series" >/dev/null || die "there is no kernel $series: see above"
	image=${XDG_CACHE_HOME:-$HOME/.cache}/halfopen/images/debian-$series
	release=$(sed -n 's/^    "release": "\(.*\)",$/\1/p' "$image/manifest.json")
	[ -n "$release" ] || die "$image/manifest.json does not name a release"

	tree=$work/$series
	modules=$tree/lib/modules/$release
	mkdir -p "$tree/bin" "$modules" "$tree/proc" "$tree/sys" "$tree/dev" "$tree/new"
	cp "$HALFOPEN_VAGRANT/busybox" "$tree/bin/busybox"
	install -m 755 guest/init "$tree/init"
	cp "$image"/modules/*.ko "$modules/"
	# Without these depmod warns; what is built in is not needed here.
	touch "$modules/modules.order" "$modules/modules.builtin" "$modules/modules.builtin.modinfo"
	depmod -b "$tree" "$release"

	made=$HALFOPEN_VAGRANT/kernels/$series
	mkdir -p "$made"
	(cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$work/initrd"
	cp "$image/bzImage" "$made/vmlinuz"
	mv "$work/initrd" "$made/initrd"
	rm -rf "$tree"
	echo "kernel $release"
done
