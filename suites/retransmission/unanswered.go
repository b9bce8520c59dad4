package retransmission

import (
	"slices"
	"time"

	. "github.com/onsi/gomega"

	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// The copies of a write that nobody answers, by their place on the wire, where a tail-loss probe is
// the first of them.
const (
	probe = 1
	first = 2 // the first by timeout: the abort's clock starts with it
)

// unanswered is a write and n copies of it, none of which arrives.
func unanswered(writer *End, n int) []Predicate {
	return append([]Predicate{Data().From(writer).Lost()}, slices.Repeat([]Predicate{Retransmission().From(writer).Lost()}, n)...)
}

// expectLadder writes what nobody will answer and expects its copies at these intervals, and
// nothing else on the wire.
func expectLadder(ctx SpecContext, broken, survivor *End, intervals []timing.Window) []wire.Segment {
	written := survivor.Write(ctx, "are you there?")
	copies := survivor.SeesCopies(ctx, written, intervals)
	Expect(copies).To(ShowExactly(unanswered(survivor, len(intervals))...))
	Expect(copies).To(Gaps(OnRealClock(intervals)...))
	Expect(survivor.Wire(ctx).Since(written)).To(ShowNone(AnySegment().From(broken)))
	Observe("retransmissions", len(intervals))
	return copies
}

// expectAbort expects that what was written was given up at the first timeout that found the
// model's time gone since the first timeout's copy, and at no other.
func expectAbort(ctx SpecContext, survivor *End, model timing.Retransmission, written, aborted time.Duration) []wire.Segment {
	copies := survivor.Copies(ctx, written)
	Expect(survivor.Wire(ctx).Since(written)).To(ShowExactly(unanswered(survivor, len(copies)-1)...), "and no RST at the end")
	Expect(len(copies)).To(BeNumerically(">", first), "copies, with the original")

	begin, last := copies[first].At, copies[len(copies)-1].At
	window := model.AbortBetween()
	Expect(begin-written).To(FallIn(model.First()), "from the write to the first timeout's copy")
	Expect(last-begin).To(BeNumerically("<", model.CopiesBefore()), "from there to the last copy: too early to give up")
	Expect(aborted-begin).To(FallIn(window), "from there to the abort")
	Expect(aborted-last).To(FallIn(model.AbortAfterCopy(len(copies)-first)), "from the last copy to the abort: one timeout")
	Expect(survivor.Counted("TCPTimeouts")).To(Equal(len(copies)-first+1), "one for each copy by timeout and one for the abort")
	Expect(survivor.Counted("TCPAbortOnTimeout")).To(Equal(1), "aborts counted")

	Observe("aborted_after", aborted-written)
	Observe("abort_clock", aborted-begin)
	Observe("first_retransmission_after", begin-written)
	Observe("retransmissions", len(copies)-1)
	Observe("rto", model.RTO)
	Observe("window_floor", window.Floor)
	Observe("window_ceiling", window.Ceiling)
	return copies
}
