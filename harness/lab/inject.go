package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"
)

// InjectReset puts a RST on the cable of a host that looks as if it came from its peer. Only its
// destination sees it: it leaves the switch by the host's port.
func (l *Lab) InjectReset(to *Host, src, dst netip.AddrPort, seq uint32) error {
	frame, err := resetFrame(to.mac, src, dst, seq)
	if err != nil {
		return fmt.Errorf("cannot forge a RST: %w", err)
	}
	if err := l.inject(to, frame); err != nil {
		return fmt.Errorf("cannot send a forged RST to %s: %w", to.name, err)
	}
	l.Note("switch: a forged RST for %s", to.name)
	return nil
}

// inject lets a frame leave the switch by a host's port.
func (l *Lab) inject(to *Host, frame []byte) error {
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
	ip := networkLayer(src.Addr(), dst.Addr())
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	return serialize(ethernetFrom(mac, src.Addr()), ip, tcp)
}

// ethernetFrom is the link layer of a frame that the switch itself sends.
func ethernetFrom(mac net.HardwareAddr, source netip.Addr) *layers.Ethernet {
	ethernet := &layers.Ethernet{SrcMAC: net.HardwareAddr{0x02, 0, 0, 0, 0, 0xff}, DstMAC: mac, EthernetType: layers.EthernetTypeIPv6}
	if source.Is4() {
		ethernet.EthernetType = layers.EthernetTypeIPv4
	}
	return ethernet
}

// networked is an IP layer that can be sent and that a checksum can be computed over.
type networked interface {
	gopacket.SerializableLayer
	gopacket.NetworkLayer
}

// networkLayer is the IP layer of a TCP segment.
func networkLayer(src, dst netip.Addr) networked {
	if src.Is4() {
		return &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	}
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
}

func serialize(all ...gopacket.SerializableLayer) ([]byte, error) {
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buffer, options, all...); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}
