package kernel

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sysctlProbe answers whether a TCP sysctl is there.
func sysctlProbe(name string) func() error {
	return func() error {
		_, err := Sysctl(name)
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		// Without /proc every sysctl is absent. This one is older than any kernel there is to test.
		if _, err := Sysctl("net.ipv4.tcp_retries2"); err != nil {
			return fmt.Errorf("/proc/sys/net cannot be read: %w", err)
		}
		return ErrNotSupported
	}
}

// namespaceProbe answers whether the kernel has a kind of namespace; whether one may be made is another question.
func namespaceProbe(kind string) func() error {
	return func() error {
		_, err := os.Readlink("/proc/thread-self/ns/" + kind)
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if _, err := os.Stat("/proc/thread-self"); err != nil {
			return fmt.Errorf("/proc cannot be read: %w", err)
		}
		return ErrNotSupported
	}
}

// notSupported makes ErrNotSupported of the error numbers that mean it, and leaves every other error.
func notSupported(err error, numbers ...unix.Errno) error {
	for _, n := range numbers {
		if errors.Is(err, n) {
			return ErrNotSupported
		}
	}
	return err
}

// withSocket gives do a socket of its own and closes it.
func withSocket(domain, kind, protocol int, do func(fd int) error) error {
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	return do(fd)
}

func probeTCPOption(option, value int) error {
	return withSocket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP, func(fd int) error {
		return notSupported(unix.SetsockoptInt(fd, unix.IPPROTO_TCP, option, value), unix.ENOPROTOOPT)
	})
}

// The values are within the ranges the options accept: 1 s to 120 s, 2 jiffies to 200 ms.
func probeRTOMaxMS() error { return probeTCPOption(unix.TCP_RTO_MAX_MS, 120000) }
func probeRTOMinUS() error { return probeTCPOption(unix.TCP_RTO_MIN_US, 200000) }

// probeTotalRTO answers by the length of TCP_INFO, which grows at its end with each release.
func probeTotalRTO() error {
	return withSocket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP, func(fd int) error {
		var info unix.TCPInfo
		length := uint32(unsafe.Sizeof(info))
		if _, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&length)), 0); errno != 0 {
			return fmt.Errorf("getsockopt TCP_INFO: %w", errno)
		}
		if uintptr(length) < unsafe.Offsetof(info.Total_rto)+unsafe.Sizeof(info.Total_rto) {
			return ErrNotSupported
		}
		return nil
	})
}

func probeIPv6() error {
	return notSupported(withSocket(unix.AF_INET6, unix.SOCK_STREAM, unix.IPPROTO_TCP, func(int) error { return nil }), unix.EAFNOSUPPORT)
}

// probePacket asks for no protocol, so that the socket sees no packet.
func probePacket() error {
	return notSupported(withSocket(unix.AF_PACKET, unix.SOCK_RAW, 0, func(int) error { return nil }), unix.EAFNOSUPPORT)
}
