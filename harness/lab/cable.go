package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// cable carries frames between the far end of a veth, whose near end is a port of the switch, and a
// machine. A tap device would do the same, and is most often root's alone to open.
type cable struct {
	machine               *os.File // Machine.Cable
	switchEnd, machineEnd *os.File // a packet socket, and one whose datagrams are frames
	carrying              atomic.Bool
	carriers              sync.WaitGroup
}

// layCable joins a device of the switch's namespace to a machine.
func (l *Lab) layCable(device string, machine *os.File) (*cable, error) {
	var fd int
	err := l.ns.do(func() (err error) {
		end, err := deviceNamed(device)
		if err != nil {
			return err
		}
		if err := l.rtnl.LinkSetUp(end); err != nil {
			return err
		}
		protocol := binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL)
		all := binary.NativeEndian.Uint16(protocol)
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(all)); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: end.Attrs().Index})
	})
	if err != nil {
		return nil, fmt.Errorf("cannot lay the cable to %s: %w", device, err)
	}
	// A descriptor of its own: the machine's end lives longer than the cable.
	own, err := unix.FcntlInt(machine.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot hold the machine's end of the cable: %w", err), unix.Close(fd))
	}
	if err := unix.SetNonblock(own, true); err != nil {
		return nil, errors.Join(err, unix.Close(fd), unix.Close(own))
	}
	c := &cable{machine: machine, switchEnd: os.NewFile(uintptr(fd), "switch's end of "+device), machineEnd: os.NewFile(uintptr(own), "machine's end of "+device)}
	c.drain()
	c.carriers.Go(func() { c.run(c.switchEnd, c.machineEnd) })
	c.carriers.Go(func() { c.run(c.machineEnd, c.switchEnd) })
	return c, nil
}

// drain drops what the machine has sent before.
func (c *cable) drain() {
	conn, err := c.machineEnd.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		for frame := make([]byte, 1); err == nil; {
			_, _, err = unix.Recvfrom(int(fd), frame, unix.MSG_DONTWAIT)
		}
	})
}

// carry lets frames pass, or drops them.
func (c *cable) carry(on bool) { c.carrying.Store(on) }

// largestFrame is more than any that a device with an MTU of 1500 sends.
const largestFrame = 1 << 16

// run carries frames one way until an end is closed. What the other end has no room for is dropped, as
// by a device whose ring is full.
func (c *cable) run(from, to *os.File) {
	conn, err := to.SyscallConn()
	if err != nil {
		return
	}
	frame := make([]byte, largestFrame)
	for {
		n, err := from.Read(frame)
		if err != nil {
			return
		}
		if !c.carrying.Load() {
			continue
		}
		_ = conn.Control(func(fd uintptr) {
			_ = unix.Sendto(int(fd), frame[:n], unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil)
		})
	}
}

// close takes the cable away.
func (c *cable) close() error {
	err := errors.Join(c.switchEnd.Close(), c.machineEnd.Close())
	c.carriers.Wait()
	return err
}
