package lab

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Commands of linux/ethtool.h.
const (
	ethtoolGetLink   = 0x0a // ETHTOOL_GLINK
	ethtoolSetTxCsum = 0x17 // ETHTOOL_STXCSUM
)

// disableTxChecksumOffload makes the calling thread's namespace compute TCP checksums in software.
// Without it a veth carries half-made checksums, and segmentation offload puts segments on the
// cable that no wire would carry: the MSS would be invisible. A device that has no such offload needs nothing.
func disableTxChecksumOffload(device string) error {
	if err := ethtool(device, ethtoolSetTxCsum); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("cannot switch off checksum offload of %s: %w", device, err)
	}
	return nil
}

// noticeCarrier returns when the calling thread's namespace has acted on the carrier that the device
// has now: neighbours flushed, the queue (de)activated, the bridge port (un)blocked. The kernel puts
// that off to a worker (linkwatch_event); asking for the link does it at once (ethtool_op_get_link,
// linkwatch_sync_dev). A device that is down has nothing to notice.
func noticeCarrier(device string) error {
	if err := ethtool(device, ethtoolGetLink); err != nil {
		return fmt.Errorf("cannot ask for the carrier of %s: %w", device, err)
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
