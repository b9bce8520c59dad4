package role

import (
	"syscall"
	"unsafe"
)

// now is the monotonic clock in ns, as package mono reads it.
func now() int64 {
	const clockMonotonic = 1
	var ts syscall.Timespec
	_, _, _ = syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

// sizeofAddress is that of struct sockaddr_in6, the longer one.
const sizeofAddress = syscall.SizeofSockaddrInet6

// family is the first member of every address, AF_UNSPEC where there is none.
func (a Address) family() int {
	if len(a) < 2 {
		return syscall.AF_UNSPEC
	}
	return int(*(*uint16)(unsafe.Pointer(unsafe.SliceData(a))))
}

func bind(fd int, to Address) error { return withAddress(syscall.SYS_BIND, fd, to) }

func connect(fd int, to Address) error { return withAddress(syscall.SYS_CONNECT, fd, to) }

// withAddress is a call that takes a socket and an address. No such call waits on a non-blocking socket.
func withAddress(call uintptr, fd int, address Address) error {
	if len(address) == 0 {
		return syscall.EINVAL
	}
	_, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(address))), uintptr(len(address)))
	return orNil(errno)
}

func localAddress(fd int) (Address, error) {
	address, length := make(Address, sizeofAddress), uint32(sizeofAddress)
	_, _, errno := syscall.RawSyscall(syscall.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(address))), uintptr(unsafe.Pointer(&length)))
	return address[:min(length, sizeofAddress)], orNil(errno)
}

func accept(fd int) (conn int, remote Address, err error) {
	address, length := make(Address, sizeofAddress), uint32(sizeofAddress)
	n, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(address))), uintptr(unsafe.Pointer(&length)),
		syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0, 0)
	return int(n), address[:min(length, sizeofAddress)], orNil(errno)
}

// send is send(2) without SIGPIPE.
func send(fd int, data []byte) (int, error) {
	return syscall.SendmsgN(fd, data, nil, nil, syscall.MSG_NOSIGNAL)
}

// pollOut is POLLOUT; the bits of poll(2) and epoll(7) are the same.
const pollOut = syscall.EPOLLOUT

// poll is poll(2) of one descriptor: for ever, or without waiting.
func poll(fd int, mask uint32, timeout int) (events uint32, err error) {
	polled := struct {
		fd               int32
		asked, happening uint16
	}{fd: int32(fd), asked: uint16(mask)}
	var at *syscall.Timespec
	if timeout == 0 {
		at = &syscall.Timespec{}
	}
	_, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&polled)), 1, uintptr(unsafe.Pointer(at)), 0, 0, 0)
	return uint32(polled.happening), orNil(errno)
}

// enter takes the calling thread to a network namespace by setns(2), whose number syscall does not have on
// every architecture.
func enter(setns, namespace int) error {
	_, _, errno := syscall.RawSyscall(uintptr(setns), uintptr(namespace), syscall.CLONE_NEWNET, 0)
	return orNil(errno)
}

// watch wakes the runtime's watch, once: for a call that waits while others are to be served.
func (p *process) watch() error {
	if p.watched {
		return nil
	}
	p.watched = true
	tasks, err := syscall.Open("/proc/self/task", syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(tasks)
	entries := make([]byte, 4096) // of a dozen threads at most
	n, err := syscall.ReadDirent(tasks, entries)
	if err != nil {
		return err
	}
	_, _, threads := syscall.ParseDirent(entries[:n], -1, nil)
	for _, thread := range threads {
		file, err := syscall.Open("/proc/"+thread+"/timerslack_ns", syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		_, err = syscall.Write(file, []byte(decimal(slack)))
		_ = syscall.Close(file)
		if err != nil {
			return err
		}
		id, err := ownID(thread)
		if err != nil {
			return err
		}
		// What sleeps by the old one begins anew (SIGURG is the runtime's own, and means nothing here).
		if _, _, errno := syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(id), uintptr(syscall.SIGURG)); errno != 0 {
			return errno
		}
	}
	return nil
}

// ownID is the thread's ID in its own PID namespace, by its name in /proc, which may be another one's: the last
// of NSpid (proc_pid_status(5)).
func ownID(thread string) (id int, err error) {
	file, err := syscall.Open("/proc/"+thread+"/status", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer syscall.Close(file)
	status := make([]byte, 4096)
	n, err := syscall.Read(file, status)
	if err != nil {
		return 0, err
	}
	const field = "\nNSpid:"
	status = status[:n]
	for len(status) > len(field) && string(status[:len(field)]) != field {
		status = status[1:]
	}
	for _, char := range status[min(len(field), len(status)):] {
		switch {
		case char == '\n':
			return id, nil
		case char >= '0' && char <= '9':
			id = 10*id + int(char-'0')
		default:
			id = 0 // between two
		}
	}
	return 0, Error("no NSpid of thread " + thread)
}

// lingers tells whether close(2) may wait (SO_LINGER with a time).
func lingers(fd int) bool {
	var linger syscall.Linger
	length := uint32(syscall.SizeofLinger)
	_, _, errno := syscall.RawSyscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.SOL_SOCKET, syscall.SO_LINGER,
		uintptr(unsafe.Pointer(&linger)), uintptr(unsafe.Pointer(&length)), 0)
	return errno == 0 && linger.Onoff != 0 && linger.Linger > 0
}

func orNil(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// decimal writes a number.
func decimal(n int) string {
	if n < 0 {
		return "-" + decimal(-n)
	}
	if n < 10 {
		return string(rune('0' + n))
	}
	return decimal(n/10) + string(rune('0'+n%10))
}

// The first word of struct sigaction where it is not the address of a handler.
const (
	sigDefault = 0 // SIG_DFL
	sigIgnore  = 1 // SIG_IGN
)

// setDisposition is rt_sigaction(2) behind the runtime's back, which has a handler for every signal.
// struct sigaction begins with the handler on every architecture Go runs Linux on but MIPS; the rest of
// it is zero: no flags, an empty mask.
func setDisposition(sig syscall.Signal, handler uintptr) error {
	action := [8]uintptr{handler}
	const sizeofSignalSet = 8
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, sizeofSignalSet, 0, 0)
	return orNil(errno)
}

// die dies in a manner. Where it returns, the process goes on and the spec sees that it did not die.
func die(manner int) {
	// The core limit of 0 does not hold for a core_pattern that is a pipe (core(5)).
	const setDumpable = 4 // PR_SET_DUMPABLE
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, setDumpable, 0, 0)
	switch manner {
	case BySegfault:
		// A page without access: the write faults, and force_sig kills for want of a handler.
		page, err := syscall.Mmap(-1, 0, syscall.Getpagesize(), syscall.PROT_NONE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
		if err == nil && setDisposition(syscall.SIGSEGV, sigDefault) == nil {
			page[0] = 1
		}
	case ByAbort:
		if setDisposition(syscall.SIGABRT, sigDefault) == nil {
			_, _, _ = syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(syscall.Gettid()), uintptr(syscall.SIGABRT))
		}
	case ByExit:
		syscall.Exit(0)
	case ByPanic:
		panic("the spec asked for a panic that nobody recovers")
	}
}
