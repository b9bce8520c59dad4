package hostcrash

import (
	"context"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// inFlight is data that was written to a dead host.
type inFlight struct {
	model   timing.Retransmission
	died    time.Duration // when the host lost its power
	written time.Duration
}

// patience is how long to wait for the abort before its absence is a failure.
func (f inFlight) patience() time.Duration { return f.model.AbortAfterWrite().Ceiling + Soon }

// writeToDeadHost crashes the broken end's host and lets the survivor write to it. The next hop
// stays resolved, as a router's does that outlives the host behind it. What write(2) says is no
// part of it: each claim is about what follows.
func writeToDeadHost(ctx context.Context, broken, survivor *End) inFlight {
	survivor.Host.PinNeighbour(broken.Host)
	flight := inFlight{model: survivor.Retransmission()}
	flight.died = broken.Host.PowerOff()
	flight.written = mono.Now()
	survivor.TryWrite(ctx, "are you there?")
	return flight
}

// copies are a write of the survivor's and its retransmissions, n segments in all.
func copies(survivor *End, n int) []Predicate {
	segments := []Predicate{Data().From(survivor)}
	for len(segments) < n {
		segments = append(segments, Retransmission().From(survivor))
	}
	return segments
}

var _ = Story("host-crash", func() {
	ItOnEitherSide("lets the survivor try for as long as tcp_retries2 stands for, counted from the first timeout, and no longer",
		Claim("host-crash/data-abort-window"), func(ctx SpecContext, broken, survivor *End) {
			flight := writeToDeadHost(ctx, broken, survivor)
			aborted := survivor.StartRead().Within(ctx, flight.patience())

			Expect(aborted.At - flight.written).To(FallIn(flight.model.AbortAfterWrite()))
			first := survivor.Sees(ctx, survivor.ByTimeout(flight.model, 1))
			Expect(aborted.At - first.At).To(FallIn(flight.model.AbortAfterFirst()))
			Expect(survivor.State()).To(Equal(socket.Gone))
			Observe("aborted_after", aborted.At-flight.written)
			Observe("abort_clock", aborted.At-first.At)
			Observe("window_floor", flight.model.AbortAfterWrite().Floor)
			Observe("window_ceiling", flight.model.AbortAfterWrite().Ceiling)
			Observe("retries2", survivor.Timeouts().Retries2)
			Observe("rto", flight.model.RTO)
		}, SpecPriority(7))

	ItOnEitherSide("tells the application ETIMEDOUT once, and EPIPE when it writes again",
		Claim("host-crash/data-abort-etimedout"), func(ctx SpecContext, broken, survivor *End) {
			flight := writeToDeadHost(ctx, broken, survivor)
			aborted := survivor.StartRead().Within(ctx, flight.patience())

			Expect(aborted).To(FailWith(unix.ETIMEDOUT))
			again := survivor.TryWrite(ctx, "hello?")
			Expect(again).To(FailWith(unix.EPIPE))
			Expect(survivor.Read(ctx)).To(ReachEOF())
			Observe("detected_after", aborted.At-flight.died)
			Observe("errno", unix.ErrnoName(aborted.Errno))
			Observe("next_errno", unix.ErrnoName(again.Errno))
		}, SpecPriority(7))

	It("sends the data again and again at twice the interval, until the survivor is near its end",
		Claim("host-crash/data-retransmits-doubling"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			flight := writeToDeadHost(ctx, broken, survivor)
			timeouts, _ := flight.model.RetransmitsRange()
			last := survivor.SeesWithin(ctx, flight.patience(), survivor.ByTimeout(flight.model, timeouts))

			intervals := flight.model.Intervals()[:last.Copy]
			ladder := survivor.Wire(ctx).Since(flight.died)
			Expect(ladder).To(ShowExactly(copies(survivor, last.Copy+1)...))
			Expect(ladder).To(Gaps(OnRealClock(intervals)...))
			Expect(survivor.Snapshot().Info.Backoff).To(Equal(timeouts), "doublings of the timeout")
			Observe("retransmissions", last.Copy)
			Observe("backoff", survivor.Snapshot().Info.Backoff)
			Observe("rto", flight.model.RTO)
		})

	It("lets the survivor fall silent without a RST: copies of the data are all it ever sent",
		Claim("host-crash/data-abort-no-rst"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			flight := writeToDeadHost(ctx, broken, survivor)
			aborted := survivor.StartRead().Within(ctx, flight.patience())

			sent := survivor.Wire(ctx).Since(flight.died)
			Expect(sent).To(ShowNone(RST()))
			Expect(sent).To(ShowExactly(copies(survivor, len(sent.Segments()))...))
			Expect(survivor.Counted("OutRsts")).To(BeZero(), "RSTs counted")
			Expect(aborted).To(FailWith(unix.ETIMEDOUT))
			Observe("retransmissions", len(sent.Segments())-1)
			Observe("resets", survivor.Counted("OutRsts"))
		})

	It("leaves one abort and every timeout on the survivor's counters",
		Claim("host-crash/data-abort-counter"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			flight := writeToDeadHost(ctx, broken, survivor)
			survivor.StartRead().Within(ctx, flight.patience())

			Expect(survivor.Counted("TCPAbortOnTimeout")).To(Equal(1), "TCPAbortOnTimeout")
			least, most := flight.model.RetransmitsRange()
			Expect(survivor.Counted("TCPTimeouts")).To(And(
				BeNumerically(">=", least+1), BeNumerically("<=", most+1)), "TCPTimeouts: each retransmission, and the last that gives up")
			Observe("aborts_on_timeout", survivor.Counted("TCPAbortOnTimeout"))
			Observe("timeouts", survivor.Counted("TCPTimeouts"))
			Observe("loss_probes", survivor.Counted("TCPLossProbes"))
		})

	It("gives up when the first write is due, however late the others were",
		Claim("host-crash/later-writes-same-deadline"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			flight := writeToDeadHost(ctx, broken, survivor)
			reading, deadline := survivor.StartRead(), flight.model.AbortAfterFirst()

			first := survivor.SeesWithin(ctx, flight.patience(), survivor.ByTimeout(flight.model, 1))
			survivor.Write(ctx, "are you still there?")
			least, _ := flight.model.RetransmitsRange()
			last := survivor.SeesWithin(ctx, flight.patience(), survivor.ByTimeout(flight.model, least))
			// Half of what is left: a deadline that this write moved would be missed by a whole retransmission.
			Elapse(ctx, (deadline.Floor-(last.At-first.At))/2)
			latest := survivor.Write(ctx, "are you really there?")

			aborted := reading.Within(ctx, flight.patience())
			Expect(aborted.At - first.At).To(FallIn(deadline))
			Expect(aborted).To(FailWith(unix.ETIMEDOUT))
			Observe("aborted_after", aborted.At-flight.written)
			Observe("abort_clock", aborted.At-first.At)
			Observe("last_write_before_abort", aborted.At-latest)
		})

	It("keeps ETIMEDOUT to itself until the application asks, which may be never",
		Claim("host-crash/untouched-never-learns"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			flight := writeToDeadHost(ctx, broken, survivor)

			aborted := survivor.GoneIn(ctx, flight.written, flight.model.AbortAfterWrite())
			// The process lives, no signal has reached it, and the error still lies where only a call finds it.
			errno := unix.Errno(survivor.Option(ctx, unix.SOL_SOCKET, unix.SO_ERROR))
			Expect(errno).To(Equal(unix.ETIMEDOUT))
			Observe("aborted_after", aborted)
			Observe("errno", unix.ErrnoName(errno))
		})
})
