package lab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netlink"

	"github.com/halfopen/halfopen/harness/wire"
)

// Forged is a TCP segment that no host sent: what somebody on the path, or far away, could make.
type Forged struct {
	Src, Dst netip.AddrPort
	Flags    wire.Flags
	Seq, Ack uint32 // Ack is sent whatever the flags say, as the field is always there
	Window   uint16 // as on the wire, not scaled
	Payload  []byte

	Timestamps   bool // carries the option
	TSVal, TSEcr uint32
}

// Forge puts a forged segment on the cable of a host. Only that host sees it: it leaves the switch
// by the host's port, and the record names the switch as its sender.
func (l *Lab) Forge(to *Host, forged Forged) error {
	return l.forge(to.name, to.mac, to.port, forged)
}

func (l *Lab) forge(name string, mac net.HardwareAddr, port netlink.Link, forged Forged) error {
	frame, err := forged.frame(mac)
	if err != nil {
		return fmt.Errorf("cannot forge a segment: %w", err)
	}
	if err := l.transmit(port, frame); err != nil {
		return fmt.Errorf("cannot send a forged segment to %s: %w", name, err)
	}
	return nil
}

// forger is the MAC of forged frames: no host's, so that the switch learns nothing wrong.
var forger = net.HardwareAddr{0x02, 0, 0, 0, 0, 0xff}

func (f Forged) frame(mac net.HardwareAddr) ([]byte, error) {
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(f.Src.Port()), DstPort: layers.TCPPort(f.Dst.Port()),
		Seq: f.Seq, Ack: f.Ack, Window: f.Window,
		FIN: f.Flags.Has(wire.FlagFIN), SYN: f.Flags.Has(wire.FlagSYN), RST: f.Flags.Has(wire.FlagRST),
		PSH: f.Flags.Has(wire.FlagPSH), ACK: f.Flags.Has(wire.FlagACK), URG: f.Flags.Has(wire.FlagURG),
	}
	if f.Timestamps {
		values := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, f.TSVal), f.TSEcr)
		padding := layers.TCPOption{OptionType: layers.TCPOptionKindNop, OptionLength: 1}
		tcp.Options = []layers.TCPOption{padding, padding,
			{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: values}}
	}
	ip := networkLayer(f.Src.Addr(), f.Dst.Addr())
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	return serialize(ethernetFrom(mac, f.Src.Addr()), ip, tcp, gopacket.Payload(f.Payload))
}

// ethernetFrom is the link layer of a frame that the switch itself sends.
func ethernetFrom(mac net.HardwareAddr, source netip.Addr) *layers.Ethernet {
	ethernet := &layers.Ethernet{SrcMAC: forger, DstMAC: mac, EthernetType: layers.EthernetTypeIPv6}
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
