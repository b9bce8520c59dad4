package wire

import (
	"fmt"
	"hash/maphash"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// markerType is the Ethernet type of Capture.Sync's marker frames: IEEE 802 Local Experimental
// Ethertype 1.
const markerType layers.EthernetType = 0x88b5

// decoder turns a frame's bytes into what the capture keeps. Its layers are reused from frame
// to frame, so it belongs to one goroutine.
type decoder struct {
	parser  *gopacket.DecodingLayerParser
	decoded []gopacket.LayerType

	ethernet  layers.Ethernet
	arp       layers.ARP
	ip4       layers.IPv4
	ip6       layers.IPv6
	tcp       layers.TCP
	icmp4     layers.ICMPv4
	icmp6     layers.ICMPv6
	solicit   layers.ICMPv6NeighborSolicitation
	advertise layers.ICMPv6NeighborAdvertisement
	payload   gopacket.Payload

	quoted *quoteDecoder
	seed   maphash.Seed
}

// decoded is one frame, understood. segment and icmp are nil unless the frame is one.
type decoded struct {
	kind     string
	asks     netip.Addr
	identity uint64 // equal for the same IP packet at two ports
	passage  uint64 // of a segment: equal on both sides of a router, addresses translated or not
	segment  *Segment
	icmp     *ICMPError
	marker   []byte // payload of a marker frame, nil for all others
	source   [6]byte
	target   [6]byte
	unicast  bool
}

func newDecoder() *decoder {
	d := &decoder{seed: maphash.MakeSeed(), quoted: newQuoteDecoder()}
	d.parser = gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet,
		&d.ethernet, &d.arp, &d.ip4, &d.ip6, &d.tcp, &d.icmp4, &d.icmp6, &d.solicit, &d.advertise, &d.payload)
	d.parser.IgnoreUnsupported = true
	return d
}

// decode understands as much of the frame as it can; what cannot be decoded keeps the kind of
// the last layer that could.
func (d *decoder) decode(data []byte) decoded {
	out := decoded{kind: "undecoded", identity: maphash.Bytes(d.seed, data)}
	// A broken inner layer leaves the outer ones decoded; they are what is reported.
	err := d.parser.DecodeLayers(data, &d.decoded)
	for _, layer := range d.decoded {
		switch layer {
		case layers.LayerTypeEthernet:
			d.readEthernet(&out)
		case layers.LayerTypeARP:
			d.readARP(&out)
		case layers.LayerTypeIPv4:
			out.kind = "IPv4 " + d.ip4.Protocol.String()
		case layers.LayerTypeIPv6:
			out.kind = "IPv6 " + d.ip6.NextHeader.String()
		case layers.LayerTypeTCP:
			d.readTCP(&out)
		case layers.LayerTypeICMPv4:
			d.readICMP4(&out)
		case layers.LayerTypeICMPv6:
			d.readICMP6(&out)
		case layers.LayerTypeICMPv6NeighborSolicitation:
			out.asks, _ = netip.AddrFromSlice(d.solicit.TargetAddress)
			out.kind = fmt.Sprintf("ND who-has %v", out.asks)
		case layers.LayerTypeICMPv6NeighborAdvertisement:
			target, _ := netip.AddrFromSlice(d.advertise.TargetAddress)
			out.kind = fmt.Sprintf("ND %v is-at %v", target, d.ethernet.SrcMAC)
		}
	}
	if err != nil {
		out.kind += " (malformed)"
	}
	return out
}

func (d *decoder) readEthernet(out *decoded) {
	copy(out.source[:], d.ethernet.SrcMAC)
	copy(out.target[:], d.ethernet.DstMAC)
	out.unicast = len(d.ethernet.DstMAC) == 6 && d.ethernet.DstMAC[0]&1 == 0
	out.kind = d.ethernet.EthernetType.String()
	if d.ethernet.EthernetType == markerType {
		out.marker = d.ethernet.Payload
		if out.marker == nil {
			out.marker = []byte{}
		}
	}
}

func (d *decoder) readARP(out *decoded) {
	source, _ := netip.AddrFromSlice(d.arp.SourceProtAddress)
	target, _ := netip.AddrFromSlice(d.arp.DstProtAddress)
	switch d.arp.Operation {
	case layers.ARPRequest:
		out.asks = target
		out.kind = fmt.Sprintf("ARP who-has %v tell %v", target, source)
	case layers.ARPReply:
		out.kind = fmt.Sprintf("ARP %v is-at %v", source, d.ethernet.SrcMAC)
	default:
		out.kind = fmt.Sprintf("ARP operation %d", d.arp.Operation)
	}
}

// network is the IP layer around what is being read; addresses are invalid if there is none.
func (d *decoder) network() (header []byte, src, dst netip.Addr) {
	for _, layer := range d.decoded {
		switch layer {
		case layers.LayerTypeIPv4:
			src, _ = netip.AddrFromSlice(d.ip4.SrcIP)
			dst, _ = netip.AddrFromSlice(d.ip4.DstIP)
			return d.ip4.Contents, src.Unmap(), dst.Unmap()
		case layers.LayerTypeIPv6:
			src, _ = netip.AddrFromSlice(d.ip6.SrcIP)
			dst, _ = netip.AddrFromSlice(d.ip6.DstIP)
			return d.ip6.Contents, src, dst
		}
	}
	return nil, netip.Addr{}, netip.Addr{}
}

func (d *decoder) readTCP(out *decoded) {
	header, src, dst := d.network()
	tcp := &d.tcp
	out.kind = "TCP"
	out.segment = &Segment{
		Src: netip.AddrPortFrom(src, uint16(tcp.SrcPort)), Dst: netip.AddrPortFrom(dst, uint16(tcp.DstPort)),
		Seq: tcp.Seq, Ack: tcp.Ack, Window: uint32(tcp.Window),
		Payload: tcp.Payload, Len: len(tcp.Payload),
		Flags: tcpFlags(tcp), Options: tcpOptions(tcp.Options),
	}

	// The checksum is left out: with checksum offload it is filled in on the way out of the
	// switch, and the packet is the same.
	var hash maphash.Hash
	hash.SetSeed(d.seed)
	hash.Write(header)
	hash.Write(tcp.Contents[:16])
	hash.Write(tcp.Contents[18:])
	hash.Write(tcp.Payload)
	out.identity = hash.Sum64()

	// What a router may change is left out: addresses, ports, hops left, and the checksums over them.
	// The sequence numbers and the time stamps tell one segment from another, the IPv4 identification
	// one copy from the next.
	hash.Reset()
	if src.Is4() {
		hash.Write(header[4:6])
	}
	hash.Write(tcp.Contents[4:16])
	hash.Write(tcp.Contents[18:])
	hash.Write(tcp.Payload)
	out.passage = hash.Sum64()
}

func tcpFlags(tcp *layers.TCP) Flags {
	var flags Flags
	for _, bit := range []struct {
		set  bool
		flag Flags
	}{
		{tcp.FIN, FlagFIN}, {tcp.SYN, FlagSYN}, {tcp.RST, FlagRST}, {tcp.PSH, FlagPSH},
		{tcp.ACK, FlagACK}, {tcp.URG, FlagURG}, {tcp.ECE, FlagECE}, {tcp.CWR, FlagCWR},
	} {
		if bit.set {
			flags |= bit.flag
		}
	}
	return flags
}

func tcpOptions(options []layers.TCPOption) Options {
	out := Options{WindowScale: -1}
	for _, option := range options {
		data := option.OptionData
		switch option.OptionType {
		case layers.TCPOptionKindMSS:
			if len(data) == 2 {
				out.MSS = uint16(data[0])<<8 | uint16(data[1])
			}
		case layers.TCPOptionKindWindowScale:
			if len(data) == 1 {
				out.WindowScale = int(min(data[0], 14)) // RFC 7323: more than 14 is 14
			}
		case layers.TCPOptionKindSACKPermitted:
			out.SACKPermitted = true
		case layers.TCPOptionKindSACK:
			out.SACK = true
		case layers.TCPOptionKindTimestamps:
			if len(data) == 8 {
				out.Timestamps = true
				out.TSVal = uint32(data[0])<<24 | uint32(data[1])<<16 | uint32(data[2])<<8 | uint32(data[3])
				out.TSEcr = uint32(data[4])<<24 | uint32(data[5])<<16 | uint32(data[6])<<8 | uint32(data[7])
			}
		}
	}
	return out
}

func (d *decoder) readICMP4(out *decoded) {
	out.kind = "ICMPv4 " + d.icmp4.TypeCode.String()
	switch d.icmp4.TypeCode.Type() {
	case layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4TypeTimeExceeded, layers.ICMPv4TypeParameterProblem, layers.ICMPv4TypeSourceQuench:
		d.readICMPError(out, d.icmp4.TypeCode.Type(), d.icmp4.TypeCode.Code(), layers.LayerTypeIPv4, d.icmp4.Payload)
	}
}

func (d *decoder) readICMP6(out *decoded) {
	out.kind = "ICMPv6 " + d.icmp6.TypeCode.String()
	switch d.icmp6.TypeCode.Type() {
	case layers.ICMPv6TypeDestinationUnreachable, layers.ICMPv6TypePacketTooBig, layers.ICMPv6TypeTimeExceeded, layers.ICMPv6TypeParameterProblem:
		// gopacket leaves the four bytes after the checksum (unused, MTU or pointer: RFC 4443)
		// at the head of the payload.
		quote := d.icmp6.Payload
		quote = quote[min(4, len(quote)):]
		d.readICMPError(out, d.icmp6.TypeCode.Type(), d.icmp6.TypeCode.Code(), layers.LayerTypeIPv6, quote)
	}
}

func (d *decoder) readICMPError(out *decoded, typ, code uint8, family gopacket.LayerType, quote []byte) {
	_, reporter, _ := d.network()
	out.icmp = &ICMPError{Reporter: reporter, Type: typ, Code: code, Text: out.kind}
	out.icmp.Src, out.icmp.Dst = d.quoted.decode(family, quote)
}

// quoteDecoder reads the packet an ICMP error quotes.
type quoteDecoder struct {
	ip4     layers.IPv4
	ip6     layers.IPv6
	tcp     layers.TCP
	payload gopacket.Payload
	parsers map[gopacket.LayerType]*gopacket.DecodingLayerParser
	decoded []gopacket.LayerType
}

func newQuoteDecoder() *quoteDecoder {
	q := &quoteDecoder{parsers: map[gopacket.LayerType]*gopacket.DecodingLayerParser{}}
	for _, family := range []gopacket.LayerType{layers.LayerTypeIPv4, layers.LayerTypeIPv6} {
		parser := gopacket.NewDecodingLayerParser(family, &q.ip4, &q.ip6, &q.tcp, &q.payload)
		parser.IgnoreUnsupported = true
		q.parsers[family] = parser
	}
	return q
}

func (q *quoteDecoder) decode(family gopacket.LayerType, quote []byte) (src, dst netip.AddrPort) {
	// A quote is cut short by design; the layers before the cut are what is wanted.
	_ = q.parsers[family].DecodeLayers(quote, &q.decoded)
	var from, to netip.Addr
	var fromPort, toPort uint16
	for _, layer := range q.decoded {
		switch layer {
		case layers.LayerTypeIPv4:
			from, _ = netip.AddrFromSlice(q.ip4.SrcIP)
			to, _ = netip.AddrFromSlice(q.ip4.DstIP)
		case layers.LayerTypeIPv6:
			from, _ = netip.AddrFromSlice(q.ip6.SrcIP)
			to, _ = netip.AddrFromSlice(q.ip6.DstIP)
		case layers.LayerTypeTCP:
			fromPort, toPort = uint16(q.tcp.SrcPort), uint16(q.tcp.DstPort)
		}
	}
	return netip.AddrPortFrom(from, fromPort), netip.AddrPortFrom(to, toPort)
}
