package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// ICMPError is an error message of the Internet Control Message Protocol, by its name in RFC 792
// and by what stands for it in ICMPv6 (RFC 4443).
type ICMPError struct {
	name   string
	v4, v6 icmpCode
	info   uint32 // the four bytes after the checksum: the MTU of the next hop where there is one
}

// icmpCode is the type and the code; type 0 is an echo reply and stands for "there is none".
type icmpCode struct{ typ, code byte }

func (e ICMPError) String() string { return e.name }

// In tells whether the family's protocol has such an error.
func (e ICMPError) In(family int) bool { return e.of(family).typ != 0 }

func (e ICMPError) of(family int) icmpCode {
	if family == 4 {
		return e.v4
	}
	return e.v6
}

// The errors a router or a host on the path can report. ICMPv6 has no protocol unreachable: a host
// that does not know the next header reports a parameter problem (RFC 4443 3.4).
var (
	NetworkUnreachable  = ICMPError{name: "network unreachable", v4: icmpCode{3, 0}, v6: icmpCode{1, 0}} // v6: no route
	HostUnreachable     = ICMPError{name: "host unreachable", v4: icmpCode{3, 1}, v6: icmpCode{1, 3}}    // v6: address unreachable
	ProtocolUnreachable = ICMPError{name: "protocol unreachable", v4: icmpCode{3, 2}, v6: icmpCode{4, 1}}
	PortUnreachable     = ICMPError{name: "port unreachable", v4: icmpCode{3, 3}, v6: icmpCode{1, 4}}
	AdminProhibited     = ICMPError{name: "administratively prohibited", v4: icmpCode{3, 13}, v6: icmpCode{1, 1}}
	TimeExceeded        = ICMPError{name: "time exceeded", v4: icmpCode{11, 0}, v6: icmpCode{3, 0}}
	ParameterProblem    = ICMPError{name: "parameter problem", v4: icmpCode{12, 0}, v6: icmpCode{4, 0}}
	SourceQuench        = ICMPError{name: "source quench", v4: icmpCode{4, 0}}
)

// TooBig is fragmentation needed, or packet too big in ICMPv6, with the MTU of the next hop.
func TooBig(mtu int) ICMPError {
	return ICMPError{name: fmt.Sprintf("packet too big, MTU %d", mtu), v4: icmpCode{3, 4}, v6: icmpCode{2, 0}, info: uint32(mtu)}
}

// InjectICMP puts an ICMP error on the cable of a host, as a router on the path would send it: about
// a TCP segment of the host's with these ends and this sequence number.
func (l *Lab) InjectICMP(to *Host, report ICMPError, src, dst netip.AddrPort, seq uint32) error {
	family := 6
	if src.Addr().Is4() {
		family = 4
	}
	if !report.In(family) {
		return fmt.Errorf("ICMP for IPv%d has no %s", family, report)
	}
	frame, err := icmpFrame(to.mac, pathRouter(family), report.of(family), report.info, src, dst, seq)
	if err == nil {
		err = l.transmit(to.port, frame)
	}
	if err != nil {
		return fmt.Errorf("cannot tell %s of ICMP %s: %w", to.name, report, err)
	}
	l.Note("router on the path: ICMP %s for %s", report, to.name)
	return nil
}

// pathRouter is the address that errors of the path come from; no host has it.
func pathRouter(family int) netip.Addr {
	if family == 4 {
		return netip.AddrFrom4([4]byte{192, 0, 2, 254})
	}
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 0xfe})
}

func icmpFrame(mac net.HardwareAddr, router netip.Addr, code icmpCode, info uint32, src, dst netip.AddrPort, seq uint32) ([]byte, error) {
	quote, err := quotedSegment(src, dst, seq)
	if err != nil {
		return nil, err
	}
	ethernet := ethernetFrom(mac, router)
	to := src.Addr().AsSlice()
	if router.Is4() {
		return serialize(ethernet,
			&layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolICMPv4, SrcIP: router.AsSlice(), DstIP: to},
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(code.typ, code.code), Id: uint16(info >> 16), Seq: uint16(info)},
			gopacket.Payload(quote))
	}
	ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolICMPv6, SrcIP: router.AsSlice(), DstIP: to}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(code.typ, code.code)}
	if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	between := gopacket.Payload{byte(info >> 24), byte(info >> 16), byte(info >> 8), byte(info)}
	return serialize(ethernet, ip, icmp, append(between, quote...))
}

// quotedSegment is what an error quotes of the packet it is about: the IP header and the TCP header. RFC
// 792 asks for its first eight bytes at least, which have the ports and the sequence number.
func quotedSegment(src, dst netip.AddrPort, seq uint32) ([]byte, error) {
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(src.Port()), DstPort: layers.TCPPort(dst.Port()), Seq: seq,
		ACK: true, PSH: true, Window: 64,
	}
	ip := networkLayer(src.Addr(), dst.Addr())
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	return serialize(ip, tcp)
}
