#!/bin/sh
# Makes the box of the machines: a small Debian (or what apt is configured for) with its own init and settings, for
# every kernel. It has no kernel and no bootloader: the Vagrantfile boots kernels directly, see kernel.sh.
# Needs root and the distribution's archive, nothing else.
#
#   ./box.sh [SUITE]     the suite of this system if none is given
#
# HALFOPEN_MIRROR names another archive than apt's own, HALFOPEN_PACKAGES further packages (a,b).
set -eu
cd "$(dirname "$0")"
. ./lib.sh
PATH=$PATH:/usr/sbin:/sbin

[ "$(id -u)" = 0 ] || die "a root file system with its owners is made by root: run it with sudo"
need debootstrap=debootstrap qemu-img=qemu-utils mke2fs=e2fsprogs tar=tar

suite=${1:-$(. /etc/os-release && echo "${VERSION_CODENAME:-}")}
[ -n "$suite" ] || die "this system does not name its suite: give one, like ./box.sh bookworm"

# The archive is the one that apt uses here: that of the suite if it is configured, else the first that is no
# security archive (another suite of it will be there too).
# shellcheck disable=SC2016 # apt's own variables
mirror=${HALFOPEN_MIRROR:-$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 'Component: main' 2>/dev/null |
	awk -v suite="$suite" '$1 == suite { print $2; found = 1; exit } !other && $1 !~ /-security$/ { other = $2 } END { if (!found) print other }' | head -n 1)}
[ -n "$mirror" ] || die "apt is configured with no archive: set HALFOPEN_MIRROR to one"
# debootstrap does not read apt's proxy.
eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
export http_proxy https_proxy

mkdir -p "$HALFOPEN_VAGRANT"
work=$(mktemp -d "$HALFOPEN_VAGRANT/box.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
root=$work/root

# In namespaces of its own: whatever debootstrap mounts or starts ends with it, however it ends.
packages=systemd-sysv,udev,openssh-server,sudo,rsync,iproute2,procps,kmod,busybox-static${HALFOPEN_PACKAGES:+,$HALFOPEN_PACKAGES}
unshare --mount --pid --fork --kill-child --mount-proc \
	debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$mirror" >"$work/debootstrap.log" 2>&1 || {
	tail -n 5 "$work/debootstrap.log" >&2
	die "$suite could not be unpacked: see above; HALFOPEN_MIRROR names another archive"
}

# The initial RAM disks want a static shell.
cp "$root/bin/busybox" "$HALFOPEN_VAGRANT/busybox"

# Vagrant's user, with the key that everybody knows: no machine of this box belongs on an open network.
chroot "$root" useradd --create-home --shell /bin/bash vagrant
install -d -m 700 -o 1000 -g 1000 "$root/home/vagrant/.ssh"
install -m 600 -o 1000 -g 1000 guest/vagrant.pub "$root/home/vagrant/.ssh/authorized_keys"
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/vagrant"
chmod 440 "$root/etc/sudoers.d/vagrant"

cat >"$root/etc/systemd/network/eth0.network" <<'END'
[Match]
Name=eth0
[Network]
DHCP=ipv4
END
# Each machine makes its own host key, of a kind that is quick to make on an emulated processor.
mkdir -p "$root/etc/systemd/system/ssh.service.d"
cat >"$root/etc/systemd/system/ssh.service.d/key.conf" <<'END'
[Service]
ExecStartPre=
ExecStartPre=/bin/sh -c 'test -s /etc/ssh/ssh_host_ecdsa_key || ssh-keygen -q -t ecdsa -N "" -f /etc/ssh/ssh_host_ecdsa_key'
END
cat >"$root/etc/ssh/sshd_config.d/halfopen.conf" <<'END'
HostKey /etc/ssh/ssh_host_ecdsa_key
UseDNS no
END
rm -f "$root"/etc/ssh/ssh_host_*
chroot "$root" systemctl --quiet enable systemd-networkd ssh
# Neither waiting for a network nor upkeep: on an emulated processor they take longer than the boot.
chroot "$root" systemctl --quiet mask systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer \
	dpkg-db-backup.timer e2scrub_all.timer fstrim.timer logrotate.timer nginx.service
: >"$root/etc/machine-id"
rm -f "$root/etc/resolv.conf" "$root/etc/hostname" "$root/etc/apt/sources.list"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/usr/share/doc/* \
	"$root"/usr/share/man/* "$root"/usr/share/locale/* "$root"/debootstrap

# Straight on the disk, with those of ext4's features that the oldest kernel has.
truncate --size 2G "$work/disk"
mke2fs -q -t ext4 -m 0 -d "$root" -L halfopen \
	-O none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize \
	"$work/disk"
mkdir "$work/box"
qemu-img convert -f raw -O qcow2 "$work/disk" "$work/box/box.img"
echo '{"provider": "libvirt", "format": "qcow2", "virtual_size": 2}' >"$work/box/metadata.json"
tar -C "$work/box" -cf - metadata.json box.img | gzip -1 >"$work/halfopen.box"
# A new version each time, or Vagrant would go on with the one it has unpacked.
version=0.$(date -u +%Y%m%d.%H%M%S)
checksum=$(sha256sum "$work/halfopen.box" | cut -d ' ' -f 1)
cat >"$work/box.json" <<END
{"name": "halfopen", "description": "$suite for any kernel", "versions": [{"version": "$version", "providers": [
  {"name": "libvirt", "url": "file://$HALFOPEN_VAGRANT/halfopen.box", "checksum_type": "sha256", "checksum": "$checksum"}]}]}
END
mv "$work/halfopen.box" "$work/box.json" "$HALFOPEN_VAGRANT/"
echo "box $version of $suite, $(du -m "$HALFOPEN_VAGRANT/halfopen.box" | cut -f 1) MB"
