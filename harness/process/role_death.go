package process

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The first word of struct sigaction where it is not the address of a handler.
const (
	sigDefault = 0 // SIG_DFL
	sigIgnore  = 1 // SIG_IGN
)

// setDefault gives a signal back to the kernel. Go's runtime has a handler for every signal, and
// signal.Reset only tells that handler what to do.
func setDefault(sig unix.Signal) error { return setDisposition(sig, sigDefault) }

// setDisposition is rt_sigaction(2) behind the runtime's back. struct sigaction begins with the
// handler on every architecture Go runs Linux on but MIPS; the rest of it is zero: no flags, an
// empty mask.
func setDisposition(sig unix.Signal, handler uintptr) error {
	action := [8]uintptr{handler}
	const sizeofSignalSet = 8
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, sizeofSignalSet, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// perform dies. Where it returns, the process goes on and the spec sees that it did not die.
func (m Manner) perform() {
	// The core limit of 0 does not hold for a core_pattern that is a pipe (core(5)).
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	switch m {
	case Segfault:
		// A page without access: the write faults, and force_sig kills for want of a handler.
		page, err := unix.Mmap(-1, 0, unix.Getpagesize(), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err == nil && setDefault(unix.SIGSEGV) == nil {
			page[0] = 1
		}
	case Aborted:
		if setDefault(unix.SIGABRT) == nil {
			_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGABRT)
		}
	case Exited:
		unix.Exit(0)
	case Panicked:
		panic("the spec asked for a panic that nobody recovers")
	}
}
