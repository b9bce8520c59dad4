package wire

import (
	"net/netip"
	"strings"
	"time"
)

// Segment is one TCP segment as it left a host.
type Segment struct {
	Number int           // of its frame in the pcapng file, from 1
	At     time.Duration // when it entered the switch, monotonic
	From   string        // the host whose port it entered; Switch for a forged one
	Src    netip.AddrPort
	Dst    netip.AddrPort

	Flags   Flags
	Seq     uint32
	Ack     uint32 // as on the wire; means nothing without the ACK flag
	Window  uint32 // bytes, scaled where both SYNs were seen to agree on scaling
	Payload []byte // shared with the capture: do not write to it
	Len     int    // bytes of payload
	Options Options

	Kind       Kind
	Copy       int    // how many earlier segments of the connection began with the same byte, SYN or FIN
	Connection int    // which connection of the conversation, from 1
	RelSeq     uint32 // relative to the sender's SYN
	RelAck     uint32 // relative to the receiver's SYN; 0 without the ACK flag

	Delivered   bool
	DeliveredAt time.Duration // when it left the switch, monotonic; 0 if it did not
	DeliveredTo string        // the host whose port it left by

	// On its way through a router, and zero where there is none: what the router did not forward is
	// not delivered, and has reached the router.
	Router         string         // the router whose port it left the switch by, on its way
	OutSrc, OutDst netip.AddrPort // as the router sent it on; other than Src and Dst where it translates

	forged bool // not sent by the host that Src was known to be
}

// Translated says whether a router has sent the segment on with another address or port.
func (s Segment) Translated() bool {
	return s.OutSrc.IsValid() && (s.OutSrc != s.Src || s.OutDst != s.Dst)
}

// Reached is the address that the segment reached its host by, or would have if it was lost: Dst, or what
// a router made of it.
func (s Segment) Reached() netip.AddrPort {
	if s.OutDst.IsValid() {
		return s.OutDst
	}
	return s.Dst
}

// Crosses says whether the segment is one between two address:port pairs, in either direction, as
// either side of a router that translates addresses knows them.
func (s Segment) Crosses(a, b netip.AddrPort) bool { return s.crosses(pairOf(a, b)) }

// crosses is Crosses for a pair.
func (s *Segment) crosses(key pair) bool {
	return pairOf(s.Src, s.Dst) == key || s.OutSrc.IsValid() && pairOf(s.OutSrc, s.OutDst) == key
}

// Options are the TCP options of a segment that matter to a broken connection.
type Options struct {
	MSS           uint16 // 0: absent
	WindowScale   int    // shift; -1: absent
	SACKPermitted bool
	SACK          bool // carries SACK blocks
	Timestamps    bool
	TSVal, TSEcr  uint32
}

// Flags is the set of a segment's control bits.
type Flags uint16

// The control bits, in RFC 9293's order.
const (
	FlagFIN Flags = 1 << iota
	FlagSYN
	FlagRST
	FlagPSH
	FlagACK
	FlagURG
	FlagECE
	FlagCWR
)

// Has says whether all of the given bits are set.
func (f Flags) Has(bits Flags) bool { return f&bits == bits }

// String lists the bits, ACK last: "FIN,ACK".
func (f Flags) String() string {
	var names []string
	for _, bit := range []struct {
		flag Flags
		name string
	}{
		{FlagSYN, "SYN"}, {FlagFIN, "FIN"}, {FlagRST, "RST"}, {FlagPSH, "PSH"},
		{FlagURG, "URG"}, {FlagECE, "ECE"}, {FlagCWR, "CWR"}, {FlagACK, "ACK"},
	} {
		if f.Has(bit.flag) {
			names = append(names, bit.name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ",")
}

// Kind is what a segment is to its connection.
type Kind uint8

// The kinds. A copy of a SYN or FIN has a kind of its own; IsRetransmission covers all copies.
const (
	KindUnknown Kind = iota // forged at the switch, and neither SYN nor RST
	KindSYN
	KindSYNACK
	KindHandshakeACK             // the pure ACK that completes the three-way handshake
	KindData                     // carries bytes not sent before, and no FIN
	KindRetransmission           // carries bytes that were sent before
	KindKeepaliveProbe           // empty (or one garbage byte) at one below what was sent and acknowledged
	KindZeroWindowProbe          // the same, while the receiver's window is zero
	KindACK                      // pure
	KindDuplicateACK             // pure, and repeats the sender's last acknowledgement and window
	KindChallengeACK             // pure, the answer to a SYN or an inexact RST on a synchronized connection (RFC 5961)
	KindFIN                      // may carry data as well
	KindRST                      //
	KindRetransmittedSYN         //
	KindRetransmittedSYNACK      //
	KindRetransmittedFIN         //
	numberOfKinds           Kind = iota
)

// String names the kind in words.
func (k Kind) String() string {
	names := [numberOfKinds]string{
		KindUnknown:             "unknown",
		KindSYN:                 "SYN",
		KindSYNACK:              "SYN-ACK",
		KindHandshakeACK:        "handshake ACK",
		KindData:                "data",
		KindRetransmission:      "retransmission",
		KindKeepaliveProbe:      "keepalive probe",
		KindZeroWindowProbe:     "zero-window probe",
		KindACK:                 "ACK",
		KindDuplicateACK:        "duplicate ACK",
		KindChallengeACK:        "challenge ACK",
		KindFIN:                 "FIN",
		KindRST:                 "RST",
		KindRetransmittedSYN:    "retransmitted SYN",
		KindRetransmittedSYNACK: "retransmitted SYN-ACK",
		KindRetransmittedFIN:    "retransmitted FIN",
	}
	if k >= numberOfKinds {
		return "unknown"
	}
	return names[k]
}

// IsRetransmission says whether the segment repeats bytes, a SYN or a FIN sent before.
func (k Kind) IsRetransmission() bool {
	switch k {
	case KindRetransmission, KindRetransmittedSYN, KindRetransmittedSYNACK, KindRetransmittedFIN:
		return true
	}
	return false
}

// IsPureACK says whether the segment does nothing but acknowledge. A probe is not one.
func (k Kind) IsPureACK() bool {
	switch k {
	case KindHandshakeACK, KindACK, KindDuplicateACK, KindChallengeACK:
		return true
	}
	return false
}

// IsProbe says whether the segment probes an idle or closed-window peer.
func (k Kind) IsProbe() bool { return k == KindKeepaliveProbe || k == KindZeroWindowProbe }

// sequenceLength is what the segment takes of sequence space: bytes, SYN and FIN.
func (s *Segment) sequenceLength() uint32 {
	n := uint32(s.Len)
	if s.Flags.Has(FlagSYN) {
		n++
	}
	if s.Flags.Has(FlagFIN) {
		n++
	}
	return n
}
