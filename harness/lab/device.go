package lab

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// deviceNamed is the device of that name in the calling thread's network namespace: its index, which is all that a
// request needs. RTM_GETLINK answers with everything that the kernel knows of a device, statistics of IPv6 and all.
func deviceNamed(name string) (netlink.Link, error) {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no name of a device: %w", name, err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open a socket to find %s: %w", name, err)
	}
	defer unix.Close(fd)
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request); err != nil {
		return nil, fmt.Errorf("cannot find %s: %w", name, err)
	}
	return &netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: name, Index: int(request.Uint32())}}, nil
}

// device is deviceNamed in the namespace.
func (ns *namespace) device(name string) (link netlink.Link, err error) {
	err = ns.do(func() error {
		link, err = deviceNamed(name)
		return err
	})
	return link, err
}
