package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/wire"
)

// InjectReset puts a RST on the cable of a host that looks as if it came from its peer. Only its
// destination sees it: it leaves the switch by the host's port.
func (l *Lab) InjectReset(to *Host, src, dst netip.AddrPort, seq uint32) error {
	frame, err := resetFrame(to.mac, src, dst, seq)
	if err != nil {
		return fmt.Errorf("cannot forge a RST: %w", err)
	}
	if err := l.send(to, frame); err != nil {
		return fmt.Errorf("cannot send a forged RST to %s: %w", to.name, err)
	}
	l.Note("switch: a forged RST for %s", to.name)
	return nil
}

// DeliverLate lets a segment that was captured reach its host once more, or after all if it was
// swallowed: the path was slow and not broken. Filters do not see it. A duplicate of what has been
// delivered before is not in the record.
func (l *Lab) DeliverLate(to *Host, segment wire.Segment) error {
	for _, frame := range l.record.Frames() {
		if frame.Number == segment.Number {
			if err := l.send(to, frame.Data); err != nil {
				return fmt.Errorf("cannot deliver segment %d to %s late: %w", segment.Number, to.name, err)
			}
			l.Note("switch: %s's %s of before reaches %s", segment.From, segment.Kind, to.name)
			return nil
		}
	}
	return fmt.Errorf("cannot deliver segment %d to %s late: it was not captured", segment.Number, to.name)
}

// send lets a frame leave the switch by a host's port.
func (l *Lab) send(to *Host, frame []byte) error {
	if to.port == nil {
		return errNamespaceGone
	}
	return l.ns.do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: to.port.Attrs().Index})
	})
}

func resetFrame(mac net.HardwareAddr, src, dst netip.AddrPort, seq uint32) ([]byte, error) {
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(src.Port()), DstPort: layers.TCPPort(dst.Port()), Seq: seq, RST: true,
	}
	ethernet := &layers.Ethernet{SrcMAC: net.HardwareAddr{0x02, 0, 0, 0, 0, 0xff}, DstMAC: mac}
	var ip interface {
		gopacket.SerializableLayer
		gopacket.NetworkLayer
	}
	if src.Addr().Is4() {
		ethernet.EthernetType = layers.EthernetTypeIPv4
		ip = &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice()}
	} else {
		ethernet.EthernetType = layers.EthernetTypeIPv6
		ip = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice()}
	}
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buffer, options, ethernet, ip, tcp); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}
