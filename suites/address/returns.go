package address

import (
	"context"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("address", func() {
	It("knows nothing of it while nobody sends, and goes on afterwards",
		Claim("address/idle-returns"), SpecPriority(6), func(ctx SpecContext) {
			client, server := Pair(ctx)
			moved, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			readings := []*Reading{moved.StartRead(), survivor.StartRead()}

			gone := moved.Host.ChangeAddress()
			silence := survivor.WaitOutKeepalive(ctx)

			Expect(survivor.Wire(ctx).Since(gone)).To(ShowNone(AnySegment()))
			for i, end := range []*End{moved, survivor} {
				Expect(end.State()).To(Equal(socket.Established))
				Expect(end.Snapshot().Timer.Kind).To(Equal(socket.NoTimer))
				Expect(readings[i].Blocked(ctx)).To(BeTrue())
			}
			moved.Host.ChangeAddressBack()
			moved.Write(ctx, "here again")
			Expect(readings[1].Within(ctx, Soon)).To(Deliver("here again"))
			survivor.Write(ctx, "so I hear")
			Expect(readings[0].Within(ctx, Soon)).To(Deliver("so I hear"))
			Observe("silent_for", silence)
		})

	It("delivers what was in flight at the next retransmission once the address is back",
		Claim("address/in-flight-returns"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			moved, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			model := moved.Retransmission()

			writeInFlight(ctx, moved, survivor, "from the address that leaves", (*Host).ChangeAddress)
			waitForTimeouts(ctx, model)
			back := moved.Host.ChangeAddressBack()
			copied := moved.SeesWithin(ctx, afterTimeouts(model), Retransmission().From(moved).After(back).Delivered())

			Expect(survivor.Read(ctx)).To(Deliver("from the address that leaves"))
			moved.Acknowledged(ctx)
			Expect(moved.State()).To(Equal(socket.Established))
			Expect(moved.PendingError(ctx)).To(BeZero())
			Observe("delivered_after", copied.At-back)
		})

	for _, flight := range []struct {
		what  string
		write func(context.Context, *End, *End, string, func(*Host) time.Duration) time.Duration
	}{
		{"in flight", writeInFlight},
		{"not sent yet", writeAfter},
	} {
		It("delivers what was "+flight.what+" when the route was lost, once the route is back",
			Claim("address/route-returns"), Case("%s", flight.what), SpecPriority(3), func(ctx SpecContext) {
				client, server := Pair(ctx)
				stranded, survivor := Connect(ctx, client, server).Split(ClientBreaks)
				model := stranded.Retransmission()

				written := flight.write(ctx, stranded, survivor, "without a way", (*Host).RemoveRoute)
				waitForTimeouts(ctx, model)
				Expect(survivor.Wire(ctx).Since(written)).To(ShowNone(AnySegment().Delivered()))
				back := stranded.Host.RestoreRoute()
				reading := survivor.StartRead()

				outcome := reading.Within(ctx, afterTimeouts(model))
				Expect(outcome).To(Deliver("without a way"))
				stranded.Acknowledged(ctx)
				Expect(stranded.State()).To(Equal(socket.Established))
				Expect(stranded.PendingError(ctx)).To(BeZero())
				Observe("delivered_after", outcome.At-back)
			})
	}
})

// writeInFlight leaves an end with data that is sent and not acknowledged at the moment that it loses its
// address or route: the path swallows it until then.
func writeInFlight(ctx context.Context, end, peer *End, text string, lose func(*Host) time.Duration) (written time.Duration) {
	path := end.Host.Blackhole(peer.Host, lab.All)
	written = end.Write(ctx, text)
	end.Sees(ctx, Data().From(end).After(written).Lost())
	lose(end.Host)
	path.Remove()
	return written
}

// writeAfter lets an end write when it has lost its address or route.
func writeAfter(ctx context.Context, end, _ *End, text string, lose func(*Host) time.Duration) (written time.Duration) {
	lose(end.Host)
	return end.Write(ctx, text)
}

// Two retransmissions by timeout fail, which is in time for a tcp_retries2 of 2 and more.
const failing = 2

// waitForTimeouts lets the time of those go by. Where they cannot even leave the host there is nothing to see.
func waitForTimeouts(ctx context.Context, model timing.Retransmission) {
	var all time.Duration
	for _, interval := range model.Intervals()[:failing+1] {
		all += interval.Ceiling
	}
	Elapse(ctx, all)
}

// afterTimeouts is patience with what the timer does next.
func afterTimeouts(model timing.Retransmission) time.Duration {
	return model.Intervals()[failing+2].Ceiling + Soon
}
