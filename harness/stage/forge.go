package stage

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/wire"
	"github.com/halfopen/halfopen/harness/wire/match"
)

// Forgery is a segment that looks as if the end's peer had sent it. Its numbers are relative to what
// the end expects by what has crossed its cable, so the zero Seq and Ack are exact.
type Forgery struct {
	Flags   wire.Flags
	Seq     int // from the end's RCV.NXT
	Ack     int // from the end's SND.NXT; a segment without the ACK flag has none
	Window  int // bytes, rounded down to what the window scale can say
	Payload string
	Aged    int // not 0: carries a timestamp that much older than the last that the peer has sent (milliseconds, in Linux)
}

// Outside is a distance that lies outside of any window of a lab's connection, and on the side of
// the future: half a window is at most 2^29.
const Outside = 1 << 30

// Forge puts a segment on the end's cable that its peer never sent, and returns it as it crossed.
func (e *End) Forge(ctx context.Context, forgery Forgery) wire.Segment {
	return e.Host.Forge(ctx, e.Draft(ctx, forgery))
}

// Draft is the segment that Forge would send now, for a spec that must send it in no time later.
func (e *End) Draft(ctx context.Context, forgery Forgery) lab.Forged {
	s := e.Host.scene
	switch {
	case s.sabotaged("forgery-exact"):
		forgery.Seq, forgery.Ack, forgery.Aged = 0, 0, 0
	case s.sabotaged("forgery-outside"):
		forgery.Seq = Outside
	}
	known := e.numbers(ctx)
	draft := lab.Forged{
		Src: e.remote, Dst: e.local, Flags: forgery.Flags,
		Seq:     known.received + uint32(forgery.Seq),
		Window:  uint16(min(forgery.Window>>known.scale, 0xffff)),
		Payload: []byte(forgery.Payload),
	}
	if forgery.Flags.Has(wire.FlagACK) {
		draft.Ack = known.sent + uint32(forgery.Ack)
	}
	if forgery.Aged != 0 {
		draft.Timestamps, draft.TSVal, draft.TSEcr = true, known.stamp-uint32(forgery.Aged), known.echo
	}
	return draft
}

// Forge puts a segment on the host's cable that no host sent, and returns it as it crossed.
func (h *Host) Forge(ctx context.Context, forged lab.Forged) wire.Segment {
	s := h.scene
	if s.sabotaged("no-forgery") {
		return wire.Segment{At: mono.Now()}
	}
	// The segments forged before have all been seen to cross, so that no other is taken for this one.
	before := s.lab.Wire().Position()
	s.lab.Note("switch: a forged segment for %s: %s", h, forged.Flags)
	mustStage(s.lab.Forge(h.lab, forged))
	ctx, cancel := context.WithTimeout(ctx, Soon)
	defer cancel()
	crossed, err := s.lab.Wire().AwaitFrom(ctx, before, func(segment wire.Segment) bool {
		return segment.From == wire.Switch && segment.Src == forged.Src && segment.Dst == forged.Dst && segment.Seq == forged.Seq
	})
	mustStage(err)
	s.sabotageFault(func(*End) bool { return false })
	return crossed
}

// numbers are what a segment must have to be the one that an end expects next, by what has crossed
// its cable. Forged segments do not count: nothing says what became of them.
type numbers struct {
	received    uint32 // the end's RCV.NXT
	sent        uint32 // its SND.NXT
	scale       int    // of the windows that its peer announces
	stamp, echo uint32 // the timestamps of the last segment that it got: TS.Recent, if nothing is missing
}

func (e *End) numbers(ctx context.Context) numbers {
	var known numbers
	for _, segment := range e.Wire(ctx).Segments() {
		end := segment.Seq + uint32(segment.Len)
		if segment.Flags.Has(wire.FlagSYN) {
			end++
		}
		if segment.Flags.Has(wire.FlagFIN) {
			end++
		}
		switch {
		case segment.From == wire.Switch || segment.Flags.Has(wire.FlagRST):
		case segment.Src == e.local:
			if segment.Flags.Has(wire.FlagSYN) || int32(end-known.sent) > 0 {
				known.sent = end
			}
			if segment.Flags.Has(wire.FlagSYN) {
				known.scale = 0
			}
		case segment.Delivered:
			if segment.Flags.Has(wire.FlagSYN) {
				known.scale = max(segment.Options.WindowScale, 0)
			}
			if segment.Flags.Has(wire.FlagSYN) || segment.Seq == known.received {
				known.received = end
			}
			known.stamp, known.echo = segment.Options.TSVal, segment.Options.TSEcr
		}
	}
	return known
}

// AnswerEach answers each segment of the end that is described by putting a forged one on its cable
// again, in the place of a peer that cannot be heard, until the function that it returns is called.
func (e *End) AnswerEach(ctx context.Context, described interface{ Matches(wire.Segment) bool }, answer wire.Segment) (stop func()) {
	s := e.Host.scene
	if s.sabotaged("no-forgery") {
		return func() {}
	}
	again := lab.Forged{
		Src: answer.Src, Dst: answer.Dst, Flags: answer.Flags, Seq: answer.Seq, Ack: answer.Ack,
		Window: uint16(answer.Window >> e.numbers(ctx).scale), Payload: answer.Payload,
	}
	ctx, cancel := context.WithCancel(ctx)
	failed := make(chan error, 1)
	from := s.lab.Wire().Position()
	go func() {
		for {
			segment, err := s.lab.Wire().AwaitFrom(ctx, from, func(segment wire.Segment) bool {
				return segment.Src == e.local && segment.From != wire.Switch && described.Matches(segment)
			})
			if err == nil {
				from = s.lab.Wire().After(segment)
				err = s.lab.Forge(e.Host.lab, again)
			}
			if err != nil {
				failed <- err
				return
			}
		}
	}()
	return func() {
		cancel()
		if err := <-failed; ctx.Err() == nil {
			mustStage(fmt.Errorf("the answers have ended: %w", err))
		}
	}
}

// Forge puts a segment on the caller's cable that looks as if the host it calls had sent it: Ack is
// relative to the number behind the SYN, and Seq to 0, as nothing is expected yet.
func (d *Dialing) Forge(ctx context.Context, forgery Forgery) wire.Segment {
	s := d.process.host.scene
	if s.sabotaged("forgery-exact") {
		forgery.Ack, forgery.Flags = 0, forgery.Flags|wire.FlagACK
	}
	syn := s.sees(ctx, Soon, func(segment wire.Segment) bool {
		return segment.Kind == wire.KindSYN && segment.Src.Addr() == d.process.host.Address()
	}, "the caller's SYN")
	forged := lab.Forged{Src: syn.Dst, Dst: syn.Src, Flags: forgery.Flags, Seq: uint32(forgery.Seq)}
	if forgery.Flags.Has(wire.FlagACK) {
		forged.Ack = syn.Seq + 1 + uint32(forgery.Ack)
	}
	return d.process.host.Forge(ctx, forged)
}

// ForgeFrom puts a segment on the host's cable that looks as if another host had sent it, from the
// lab's client port to a port of this host.
func (h *Host) ForgeFrom(ctx context.Context, other *Host, port uint16, forged lab.Forged) wire.Segment {
	forged.Src, forged.Dst = netip.AddrPortFrom(other.Address(), clientPort), netip.AddrPortFrom(h.Address(), port)
	return h.Forge(ctx, forged)
}

// ForgeCall puts a segment on the listener's cable that looks as if a process on another host had
// sent it, from the port from which processes of the lab call.
func (l *Listener) ForgeCall(ctx context.Context, caller *Host, forged lab.Forged) wire.Segment {
	return l.process.host.ForgeFrom(ctx, caller, l.socket.Local().Port(), forged)
}

// WireOf is every segment that crossed a cable so far between the two ends of a segment, where there
// is no connection whose Wire that would be.
func (h *Host) WireOf(ctx context.Context, segment wire.Segment) *wire.Conversation {
	h.scene.settle(ctx)
	return h.scene.lab.Wire().Conversation(segment.Src, segment.Dst)
}

// SeesOf returns the first segment between the two ends of another that the predicate describes.
func (h *Host) SeesOf(ctx context.Context, other wire.Segment, predicate match.Predicate) wire.Segment {
	return h.scene.sees(ctx, Soon, between(other.Src, other.Dst, predicate), predicate)
}
