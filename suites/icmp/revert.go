package icmp

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("icmp", func() {
	It("sends again at once what is overdue by the shorter timeout",
		Claim("icmp/backoff-reverted"), SpecPriority(2), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			model := survivor.Retransmission()

			loseAWrite(ctx, survivor, broken, "are you there?")
			last := survivor.SeesByTimeout(ctx, model, 2)
			Expect(survivor.Snapshot().Info.Backoff).To(Equal(2), "doublings")
			// The timer stands at four times the timeout. At three it is overdue by the half of that.
			Elapse(ctx, 3*model.RTO)
			told := survivor.IsTold(ctx, lab.NetworkUnreachable, last)
			next := survivor.SeesWithin(ctx, Soon, Retransmission().From(survivor).After(last.At))

			Expect(next.At - told).To(FallIn(survivor.Host.AtOnce()))
			Expect(survivor.Snapshot().Info.Backoff).To(Equal(2), "one taken back, and one for the copy")
			Observe("first_retransmission_after", next.At-told)
			Observe("backoff", survivor.Snapshot().Info.Backoff)
		})

	It("sends copy after copy at the first timeout, and gives up when it would have without",
		Claim("icmp/steady-unreachable-same-deadline"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			plain := survivor.Retransmission()
			model := timing.Reverted{Retransmission: plain}
			reading := survivor.StartRead()

			broken.Host.FirewallRejecting(lab.WithNetworkUnreached)
			written := survivor.Write(ctx, "are you there?")
			outcome := reading.Within(ctx, model.AbortAfterWrite().Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ENETUNREACH))
			first := survivor.Sees(ctx, survivor.ByTimeout(plain, 1))
			Expect(outcome.At - first.At).To(FallIn(model.AbortAfterFirst()))
			byTimeout := survivor.Wire(ctx).Since(first.At).Segments()
			Expect(byTimeout).To(ShowOnly(Retransmission().From(survivor).Delivered()))
			Expect(byTimeout).To(Gaps(OnRealClock(model.Intervals(len(byTimeout) - 1))...))
			_, most := plain.RetransmitsRange()
			Expect(len(byTimeout)).To(BeNumerically(">", 2*most), "copies by timeout; without the errors there are %d", most)
			Expect(len(survivor.Wire(ctx).Since(written).ICMPErrors())).To(BeNumerically(">=", len(byTimeout)))
			Observe("aborted_after", outcome.At-written)
			Observe("abort_clock", outcome.At-first.At)
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("retransmissions", len(byTimeout))
		})

	It("backs off as ever while a firewall answers every copy that the port is unreachable",
		Claim("icmp/port-unreachable-no-revert"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			model := survivor.Retransmission()
			reading := survivor.StartRead()

			broken.Host.FirewallRejecting(lab.WithPortUnreachable)
			written := survivor.Write(ctx, "are you there?")
			outcome := reading.Within(ctx, model.AbortAfterWrite().Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ECONNREFUSED))
			Expect(outcome.At - written).To(FallIn(model.AbortAfterWrite()))
			copies := survivor.Copies(ctx, written)
			Expect(copies).To(Gaps(OnRealClock(model.Intervals()[:len(copies)-1])...))
			Expect(survivor.Wire(ctx).Since(written)).To(ShowOnly(Either(Data(), Retransmission()).From(survivor).Delivered()))
			Expect(survivor.Wire(ctx).Since(written).ICMPErrors()).To(HaveLen(len(copies)))
			Observe("aborted_after", outcome.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("retransmissions", len(copies)-1)
		})
})
