// Package guest is what runs inside a virtual machine: the same program as outside, as PID 1 of an
// initramfs in which there is nothing but itself, the kernel's modules and what it is to do.
//
// Main mounts what a lab needs, loads the modules in the order given, brings up lo, quiets what
// would wake an idle machine, hands the job to the caller's function and ends the machine with
// reboot(2). What the function says goes out as messages, each framed by its kind and length, over
// a virtio port or, on a kernel without virtio, over the second serial port. The first serial port
// is the console.
//
// Words: the plan is what the host wrote into the initramfs for PID 1; the job is the part of it
// that only the caller's function understands. A machine that is kept stops when all is ready, and
// finds its job in memory when it goes on. Times are CLOCK_MONOTONIC as time.Duration since the
// guest's boot.
//
// Sources: Documentation/filesystems/ramfs-rootfs-initramfs.rst, Documentation/admin-guide/
// kernel-parameters.txt and sysctl/, finit_module(2), reboot(2), random(4).
package guest
