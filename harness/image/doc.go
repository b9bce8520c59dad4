// Package image finds kernel images, verifies them, takes out what a guest needs and keeps it.
//
// A kernel's name says where it comes from: debian:SERIES, installed or installed:RELEASE, a file
// (FILE or FILE,MODULES), or a folder of .deb files. Pull gives the Image: the kernel as an ELF file
// that an emulator boots directly, the modules a lab needs in load order, and the origin.
//
// What comes from an archive is believed only along one chain: the archive's key (a keyring file)
// signs the suite's InRelease; InRelease has the SHA-256 of the package index; the index has the
// SHA-256 of each package. Nothing is unpacked before its link of the chain has held. The archive's
// address is never ours: an option, HALFOPEN_MIRROR, or what the system's apt is configured to use.
//
// An image lies in the cache as one folder with a manifest of every file's SHA-256, which is checked
// at each use. It appears there by a rename, so a half-made one is never seen. Sizes are in bytes.
//
// Sources: deb(5), sources.list(5), apt.conf(5), Debian's RepositoryFormat, RFC 9580 (OpenPGP),
// Documentation/arch/x86/boot.rst (the setup header), include/xen/interface/elfnote.h (PVH),
// kernel/module (modinfo).
package image
