package lab

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

const ethtoolSetTxCsum = 0x17 // ETHTOOL_STXCSUM of linux/ethtool.h

// disableTxChecksumOffload makes the calling thread's namespace compute TCP checksums in software.
// Without it a veth carries half-made checksums, and segmentation offload puts segments on the
// cable that no wire would carry: the MSS would be invisible. A device that has no such offload needs nothing.
func disableTxChecksumOffload(device string) error {
	if err := ethtool(device, ethtoolSetTxCsum); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("cannot switch off checksum offload of %s: %w", device, err)
	}
	return nil
}

// ethtool gives a command that takes one number, 0, and may answer with one that nobody needs.
func ethtool(device string, command uint32) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot open a socket for ethtool: %w", err)
	}
	defer unix.Close(fd)
	value := struct{ command, data uint32 }{command: command}
	var request struct { // struct ifreq with ifr_data
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(request.name[:unix.IFNAMSIZ-1], device)
	request.data = unsafe.Pointer(&value)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	runtime.KeepAlive(&value)
	if errno != 0 {
		return errno
	}
	return nil
}
