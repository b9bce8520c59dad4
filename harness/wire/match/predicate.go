package match

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/halfopen/halfopen/harness/wire"
)

// Predicate says what a segment should be. It is a value: a modifier returns a narrower copy.
type Predicate struct {
	noun       string
	is         func(wire.Segment) bool
	conditions []condition
}

type condition struct {
	words string
	holds func(wire.Segment) bool
}

// Matches says whether the segment is what the predicate says. It fits wire.Capture's Await.
func (p Predicate) Matches(s wire.Segment) bool {
	if p.is == nil || !p.is(s) {
		return false
	}
	for _, c := range p.conditions {
		if !c.holds(s) {
			return false
		}
	}
	return true
}

// String is the predicate in words: "retransmission from server, delivered".
func (p Predicate) String() string {
	words := []string{p.noun}
	for _, c := range p.conditions {
		words = append(words, c.words)
	}
	return strings.Join(words, ", ")
}

func (p Predicate) with(words string, holds func(wire.Segment) bool) Predicate {
	conditions := append([]condition(nil), p.conditions...)
	p.conditions = append(conditions, condition{words, holds})
	return p
}

func ofKind(noun string, kinds ...wire.Kind) Predicate {
	return Predicate{noun: noun, is: func(s wire.Segment) bool {
		for _, kind := range kinds {
			if s.Kind == kind {
				return true
			}
		}
		return false
	}}
}

// SYN is a SYN without ACK that is no copy.
func SYN() Predicate { return ofKind("SYN", wire.KindSYN) }

// SYNACK is a SYN with ACK that is no copy.
func SYNACK() Predicate { return ofKind("SYN-ACK", wire.KindSYNACK) }

// ACK is any segment that does nothing but acknowledge: the handshake's, a duplicate, a
// challenge. A probe is not one.
func ACK() Predicate {
	return Predicate{noun: "pure ACK", is: func(s wire.Segment) bool { return s.Kind.IsPureACK() }}
}

// HandshakeACK is the pure ACK that completes the three-way handshake.
func HandshakeACK() Predicate { return ofKind("handshake ACK", wire.KindHandshakeACK) }

// DuplicateACK is a pure ACK that repeats the one before.
func DuplicateACK() Predicate { return ofKind("duplicate ACK", wire.KindDuplicateACK) }

// ChallengeACK is the pure ACK that answers a SYN or an inexact RST (RFC 5961).
func ChallengeACK() Predicate { return ofKind("challenge ACK", wire.KindChallengeACK) }

// Data is a segment that carries bytes not sent before, with or without a FIN.
func Data() Predicate {
	return Predicate{noun: "data", is: func(s wire.Segment) bool {
		return s.Kind == wire.KindData || s.Kind == wire.KindFIN && s.Len > 0 && s.Copy == 0
	}}
}

// Retransmission is any copy: of bytes, of a SYN, of a SYN-ACK or of a FIN.
func Retransmission() Predicate {
	return Predicate{noun: "retransmission", is: func(s wire.Segment) bool { return s.Kind.IsRetransmission() }}
}

// FIN is a FIN that is no copy, with or without data.
func FIN() Predicate { return ofKind("FIN", wire.KindFIN) }

// RST is a reset, with or without ACK.
func RST() Predicate { return ofKind("RST", wire.KindRST) }

// KeepaliveProbe is a segment at one below what was sent and acknowledged.
func KeepaliveProbe() Predicate { return ofKind("keepalive probe", wire.KindKeepaliveProbe) }

// AnySegment is any TCP segment.
func AnySegment() Predicate {
	return Predicate{noun: "segment", is: func(wire.Segment) bool { return true }}
}

// Either is a segment that one of the predicates describes.
func Either(predicates ...Predicate) Predicate {
	words := make([]string, len(predicates))
	for i, p := range predicates {
		words[i] = p.String()
	}
	return Predicate{noun: "either (" + strings.Join(words, ") or (") + ")", is: func(s wire.Segment) bool {
		for _, p := range predicates {
			if p.Matches(s) {
				return true
			}
		}
		return false
	}}
}

// hostName takes a name or something that has one. Anything else becomes a name no host has,
// which the failure shows.
func hostName(host any) string {
	switch h := host.(type) {
	case string:
		return h
	case interface{ Name() string }:
		return h.Name()
	default:
		return fmt.Sprintf("(%T is no host)", host)
	}
}

// From narrows to what a host sent: its name, or something with a Name().
func (p Predicate) From(host any) Predicate {
	name := hostName(host)
	return p.with("from "+name, func(s wire.Segment) bool { return s.From == name })
}

// Delivered narrows to what left the switch towards its host.
func (p Predicate) Delivered() Predicate {
	return p.with("delivered", func(s wire.Segment) bool { return s.Delivered })
}

// Lost narrows to what did not leave the switch.
func (p Predicate) Lost() Predicate {
	return p.with("not delivered", func(s wire.Segment) bool { return !s.Delivered })
}

// DroppedBy narrows to what reached a router, by its name or something with a Name(), and was not sent on.
func (p Predicate) DroppedBy(router any) Predicate {
	name := hostName(router)
	return p.with("dropped by "+name, func(s wire.Segment) bool { return s.Router == name && !s.OutSrc.IsValid() })
}

// After narrows to what entered the switch later than a monotonic time.
func (p Predicate) After(t time.Duration) Predicate {
	return p.with(fmt.Sprintf("after monotonic %v", t), func(s wire.Segment) bool { return s.At > t })
}

// Before narrows to what entered the switch earlier than a monotonic time.
func (p Predicate) Before(t time.Duration) Predicate {
	return p.with(fmt.Sprintf("before monotonic %v", t), func(s wire.Segment) bool { return s.At < t })
}

// Carrying narrows to segments whose payload contains the text.
func (p Predicate) Carrying(text string) Predicate {
	return p.with(fmt.Sprintf("carrying %q", text), func(s wire.Segment) bool { return bytes.Contains(s.Payload, []byte(text)) })
}

// Empty narrows to segments without payload.
func (p Predicate) Empty() Predicate {
	return p.with("empty", func(s wire.Segment) bool { return s.Len == 0 })
}

// WithFlags narrows to segments that have at least these control bits.
func (p Predicate) WithFlags(flags wire.Flags) Predicate {
	return p.with("with "+flags.String(), func(s wire.Segment) bool { return s.Flags.Has(flags) })
}

// WithSeq narrows to a sequence number relative to the sender's SYN.
func (p Predicate) WithSeq(relative uint32) Predicate {
	return p.with(fmt.Sprintf("with relative seq %d", relative), func(s wire.Segment) bool { return s.RelSeq == relative })
}

// WithAck narrows to an acknowledgement number relative to the receiver's SYN.
func (p Predicate) WithAck(relative uint32) Predicate {
	return p.with(fmt.Sprintf("with relative ack %d", relative), func(s wire.Segment) bool { return s.Flags.Has(wire.FlagACK) && s.RelAck == relative })
}

// Copy narrows to the n-th repetition of bytes, of a SYN or of a FIN.
func (p Predicate) Copy(n int) Predicate {
	return p.with(fmt.Sprintf("copy %d", n), func(s wire.Segment) bool { return s.Copy == n })
}

// OfConnection narrows to one connection of a conversation, from 1.
func (p Predicate) OfConnection(n int) Predicate {
	return p.with(fmt.Sprintf("of connection %d", n), func(s wire.Segment) bool { return s.Connection == n })
}

// That narrows by any other property, named in words.
func (p Predicate) That(words string, holds func(wire.Segment) bool) Predicate {
	return p.with(words, holds)
}
