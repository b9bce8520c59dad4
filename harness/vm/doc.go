// Package vm boots a kernel in QEMU and runs this program in it as PID 1: no root, no KVM, no
// distribution, an unmodified kernel.
//
// On the virtual clock the guest's time is the number of instructions it has executed (QEMU's
// -icount), and while it idles the clock jumps to its next timer: a wait of two hours costs what
// the wake-ups in it cost. With the date and the seed fixed, two runs of the same guest do the same
// at the same nanosecond: BenchmarkAgreement of the command counts those that do. On the real clock
// the guest runs as fast as the machine does.
//
// A guest on the virtual clock boots once: where it is when PID 1 is ready can be kept in a file (Config.Snapshots),
// and the next guest that would boot alike goes on from there. It does the same as the first, which goes on from there too.
//
// The initramfs is written here and has the program, the kernel's modules and the plan; package
// guest is what reads it inside. Messages come out over a virtio port, the console over a serial
// port; both are streamed while the guest runs.
//
// Words: an attempt is one start of the emulator; a guest that dies before PID 1 says it is up has
// said nothing of its kernel and gets one more attempt with another seed. The budget is how long an
// attempt may take on the wall clock. A snapshot is a machine that has stopped, its memory and its devices. Trouble is what the guest's kernel says of itself on the
// console: an oops, a warning, a hung task, a stall.
//
// Sources: qemu(1) (-icount, -seed, -rtc, -add-fd, -incoming), QMP's xen-save-devices-state,
// Documentation/admin-guide/kernel-parameters.txt, Documentation/driver-api/early-userspace/
// buffer-format.rst (the newc cpio), include/xen/interface/elfnote.h (PVH).
package vm
