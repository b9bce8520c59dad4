package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/wire"
)

// InjectReset puts a RST on the cable of a host that looks as if it came from its peer. Only its
// destination sees it.
func (l *Lab) InjectReset(to *Host, src, dst netip.AddrPort, seq uint32) error {
	return l.injectReset(to.name, to.mac, to.port, src, dst, seq)
}

// InjectReset puts a RST on the router's near cable that looks as if a client had sent it; the router
// does with it what it does with such a segment.
func (r *Router) InjectReset(src, dst netip.AddrPort, seq uint32) error {
	return r.lab.injectReset(r.name, routerMAC(0), r.port[0], src, dst, seq)
}

func (l *Lab) injectReset(name string, mac net.HardwareAddr, port netlink.Link, src, dst netip.AddrPort, seq uint32) error {
	if err := l.forge(name, mac, port, Forged{Src: src, Dst: dst, Flags: wire.FlagRST, Seq: seq}); err != nil {
		return err
	}
	l.Note("switch: a forged RST for %s", name)
	return nil
}

// DeliverLate lets a segment that was captured reach its host once more, or after all if it was
// swallowed: the path was slow and not broken. Filters do not see it. A duplicate of what has been
// delivered before is not in the record.
func (l *Lab) DeliverLate(to *Host, segment wire.Segment) error {
	for _, frame := range l.record.Frames() {
		if frame.Number == segment.Number {
			if err := l.transmit(to.port, frame.Data); err != nil {
				return fmt.Errorf("cannot deliver segment %d to %s late: %w", segment.Number, to.name, err)
			}
			l.Note("switch: %s's %s of before reaches %s", segment.From, segment.Kind, to.name)
			return nil
		}
	}
	return fmt.Errorf("cannot deliver segment %d to %s late: it was not captured", segment.Number, to.name)
}

// transmit lets a frame leave the switch by a port.
func (l *Lab) transmit(port netlink.Link, frame []byte) error {
	if port == nil {
		return errNamespaceGone
	}
	return l.ns.do(func() error {
		fd, err := l.injector()
		if err != nil {
			return err
		}
		return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: port.Attrs().Index})
	})
}
