package wire

import (
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Direction is which way a frame crossed a port, seen from the switch.
type Direction uint8

// The two ways across a port.
const (
	Entering Direction = iota // the host sent it
	Leaving                   // the switch sent it to the host
)

// String is "entering" or "leaving".
func (d Direction) String() string {
	if d == Leaving {
		return "leaving"
	}
	return "entering"
}

// Switch is the sender of a segment that left the switch without having entered it: a forged one.
const Switch = "switch"

// Frame is one frame at one port of the switch.
type Frame struct {
	Number    int           // in the pcapng file, from 1; 0 for a leaving copy, which is not in it
	At        time.Duration // monotonic
	Port      string        // the host the port belongs to
	Direction Direction
	Kind      string     // short, for people: "TCP", "ARP who-has 192.0.2.2 tell 192.0.2.1"
	Asks      netip.Addr // what an ARP request or a neighbour solicitation asks for; else invalid
	Data      []byte     // from the Ethernet header on; shared with the capture: do not write to it
	Length    int        // bytes on the wire
	Delivered bool       // an entering frame left at another port
}

// Note is something that happened beside the wire.
type Note struct {
	At   time.Duration // monotonic
	Text string
}

// ICMPError is an ICMP or ICMPv6 error message as it left a host.
type ICMPError struct {
	Number    int           // of its frame in the pcapng file
	At        time.Duration // monotonic
	From      string        // the host whose port it entered
	Reporter  netip.Addr    // its source address
	Type      uint8
	Code      uint8
	Text      string         // "ICMPv4 DestinationUnreachable(Port)"
	Src, Dst  netip.AddrPort // of the TCP packet it is about; ports 0 if it quotes none
	Delivered bool
}

// Datagram is a UDP datagram as it left a host.
type Datagram struct {
	At        time.Duration // monotonic
	From      string        // the host whose port it entered
	Src, Dst  netip.AddrPort
	Delivered bool
}

func (f Frame) isUDP() bool { return f.Kind == "IPv4 UDP" || f.Kind == "IPv6 UDP" }

// Datagram understands the frame as a UDP datagram; ok is false for any other and for a leaving copy. It is
// decoded when it is asked for: the claims about TCP have none.
func (f Frame) Datagram() (d Datagram, ok bool) {
	if f.Direction != Entering || !f.isUDP() {
		return Datagram{}, false
	}
	packet := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	network, udp := packet.NetworkLayer(), packet.Layer(layers.LayerTypeUDP)
	if network == nil || udp == nil {
		return Datagram{}, false
	}
	src, _ := netip.AddrFromSlice(network.NetworkFlow().Src().Raw())
	dst, _ := netip.AddrFromSlice(network.NetworkFlow().Dst().Raw())
	ports := udp.(*layers.UDP)
	return Datagram{
		At: f.At, From: f.Port, Delivered: f.Delivered,
		Src: netip.AddrPortFrom(src, uint16(ports.SrcPort)), Dst: netip.AddrPortFrom(dst, uint16(ports.DstPort)),
	}, true
}
