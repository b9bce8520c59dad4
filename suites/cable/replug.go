package cable

import (
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// The cable is out until the second retransmission by timeout has been lost, which is in time for a
// tcp_retries2 of 2 and more.
const lostByTimeout = 2

// next is patience with the retransmission that then finds the cable.
func next(model timing.Retransmission) time.Duration {
	return model.Intervals()[lostByTimeout+1].Ceiling + Soon
}

var _ = Story("cable", func() {
	ItOnEitherSide("delivers what both applications wrote in the meantime",
		Claim("cable/replug-data-arrives"), func(ctx SpecContext, broken, survivor *End) {
			model := survivor.Retransmission()
			atBroken, atSurvivor := broken.StartRead(), survivor.StartRead()

			broken.Host.Unplug()
			written := survivor.Write(ctx, "from the side with a cable")
			broken.Write(ctx, "from the side without")
			survivor.SeesByTimeout(ctx, model, lostByTimeout)
			Expect(survivor.Wire(ctx).Since(written)).To(ShowNone(AnySegment().Delivered()))
			replugged := broken.Host.Replug()

			outcome := atBroken.Within(ctx, next(model))
			Expect(outcome).To(Deliver("from the side with a cable"))
			Expect(atSurvivor.Within(ctx, Soon)).To(Deliver("from the side without"))
			Observe("delivered_after", outcome.At-replugged)
		})

	It("goes on in both directions, without a trace of the backoff",
		Claim("cable/replug-connection-continues"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			model := survivor.Retransmission()

			broken.Host.Unplug()
			survivor.Write(ctx, "are you there?")
			survivor.SeesByTimeout(ctx, model, lostByTimeout)
			broken.Host.Replug()
			Expect(broken.StartRead().Within(ctx, next(model))).To(Deliver("are you there?"))

			resumed := broken.Write(ctx, "I am")
			Expect(survivor.Read(ctx)).To(Deliver("I am"))
			survivor.Write(ctx, "good")
			Expect(broken.Read(ctx)).To(Deliver("good"))
			survivor.Sees(ctx, ACK().From(broken).After(resumed).Delivered())

			Expect(survivor.Wire(ctx).Since(resumed)).To(ShowNone(Either(Retransmission(), RST(), AnySegment().Lost())))
			snapshot := survivor.Snapshot()
			Expect(snapshot.State).To(Equal(socket.Established))
			Expect(snapshot.Info.Backoff).To(BeZero())
			Expect(snapshot.Info.Retransmits).To(BeZero())
			Expect(broken.State()).To(Equal(socket.Established))
			Observe("backoff", snapshot.Info.Backoff)
			Observe("rto", snapshot.Info.RTO)
		})

	It("tells neither application that the cable was out",
		Claim("cable/replug-no-error"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			model := survivor.Retransmission()
			atBroken, atSurvivor := broken.StartRead(), survivor.StartRead()

			unplugged := broken.Host.Unplug()
			survivor.Write(ctx, "are you there?")
			survivor.SeesByTimeout(ctx, model, lostByTimeout)
			Expect(atBroken.Blocked(ctx)).To(BeTrue())
			Expect(atSurvivor.Blocked(ctx)).To(BeTrue())
			broken.Host.Replug()

			Expect(atBroken.Within(ctx, next(model))).To(Deliver("are you there?"))
			broken.Write(ctx, "I am")
			Expect(atSurvivor.Within(ctx, Soon)).To(Deliver("I am"))
			for _, end := range []*End{broken, survivor} {
				Expect(end.PendingError(ctx)).To(BeZero())
				Expect(end.Counted("TCPAbortOnTimeout")).To(BeZero())
			}
			Expect(survivor.Wire(ctx).Since(unplugged)).To(ShowNone(RST()))
			Observe("timeouts", survivor.Counted("TCPTimeouts"))
		})

	It("gets the data through with the first retransmission that finds the cable, and with no other",
		Claim("cable/replug-next-retransmission"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			model := survivor.Retransmission()
			reading := broken.StartRead()

			broken.Host.Unplug()
			written := survivor.Write(ctx, "are you there?")
			survivor.SeesByTimeout(ctx, model, lostByTimeout)
			replugged := broken.Host.Replug()
			back := broken.Snapshot().At // somewhere between the two the cable was in

			outcome := reading.Within(ctx, next(model))
			Expect(outcome).To(Deliver("are you there?"))
			last := survivor.Sees(ctx, Retransmission().From(survivor).After(replugged).Delivered())
			survivor.Sees(ctx, ACK().From(broken).After(last.At).Delivered())
			before := survivor.Sees(ctx, Retransmission().From(survivor).After(written).Copy(last.Copy-1))

			expected := []Predicate{Data().From(survivor).Lost()}
			for range last.Copy - 1 { // the tail-loss probe is one of them
				expected = append(expected, Retransmission().From(survivor).Before(back).Lost())
			}
			expected = append(expected, Retransmission().From(survivor).After(replugged).Delivered(), ACK().From(broken).Delivered())
			Expect(survivor.Wire(ctx).Since(written)).To(ShowExactly(expected...))
			Expect(last.At - before.At).To(FallIn(model.Intervals()[last.Copy-1]))
			Expect(outcome.At).To(BeNumerically(">", last.At))
			Observe("delivered_after", outcome.At-replugged)
			Observe("retransmissions", last.Copy)
		})
})
