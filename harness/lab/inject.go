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
	return l.injectReset(to.name, to.mac, to.port.Attrs().Index, src, dst, seq)
}

// InjectReset puts a RST on the router's near cable that looks as if a client had sent it; the router
// does with it what it does with such a segment.
func (r *Router) InjectReset(src, dst netip.AddrPort, seq uint32) error {
	return r.lab.injectReset(r.name, r.link[0].Attrs().HardwareAddr, r.port[0].Attrs().Index, src, dst, seq)
}

func (l *Lab) injectReset(name string, mac net.HardwareAddr, port int, src, dst netip.AddrPort, seq uint32) error {
	frame, err := resetFrame(mac, src, dst, seq)
	if err != nil {
		return fmt.Errorf("cannot forge a RST: %w", err)
	}
	err = l.ns.do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: port})
	})
	if err != nil {
		return fmt.Errorf("cannot send a forged RST to %s: %w", name, err)
	}
	l.Note("switch: a forged RST for %s", name)
	return nil
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
