package address

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("address", func() {
	for _, device := range []string{"lo", "inner0"} {
		It("goes on both ways when the address has moved to "+device+" of the same host",
			Claim("address/moves-within-host"), Case("to %s", device), func(ctx SpecContext) {
				client, server := Pair(ctx)
				moved, survivor := Connect(ctx, client, server).Split(ClientBreaks)
				survivor.Host.PinNeighbour(moved.Host) // over IPv6 nobody would tell it anew

				at := moved.Host.MoveAddressTo(device)
				survivor.Write(ctx, "are you there?")
				Expect(moved.Read(ctx)).To(Deliver("are you there?"))
				moved.Write(ctx, "where I was")
				Expect(survivor.Read(ctx)).To(Deliver("where I was"))

				for _, end := range []*End{moved, survivor} {
					end.Acknowledged(ctx)
					Expect(end.State()).To(Equal(socket.Established))
				}
				Expect(survivor.Wire(ctx).Since(at)).To(ShowNone(Retransmission()))
				Observe("state", moved.State())
			})
	}

	It("is found anew over IPv4 and not over IPv6 by who has forgotten its link address",
		Claim("address/moved-link-address"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			moved, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			model := survivor.Retransmission()
			reading := moved.StartRead()

			moved.Host.MoveAddressTo("lo")
			survivor.Host.ForgetNeighbours()
			written := survivor.Write(ctx, "where are you?")
			if Family() == 6 {
				Elapse(ctx, survivor.Host.Resolution().Failure().Ceiling)
				Expect(survivor.Wire(ctx).Since(written)).To(ShowNone(AnySegment()))
				survivor.Host.PinNeighbour(moved.Host) // and all is well for who knows
			}

			Expect(reading.Within(ctx, model.Intervals()[len(model.Intervals())-1].Ceiling+Soon)).To(Deliver("where are you?"))
			asked := survivor.Host.AskedFor(ctx, moved.Host, written)
			Expect(asked).To(BeNumerically(">", written))
			Observe("state", moved.State())
		})
})

var _ = Story("address", func() {
	It("tells EHOSTUNREACH when it has asked in vain for an address that is nobody's",
		Claim("address/peer-ehostunreach"), SpecPriority(5), func(ctx SpecContext) {
			client, server := Pair(ctx)
			moved, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			model := survivor.Retransmission()
			// An error that comes when the time is up is never told, so that resolution has to fail well before.
			survivor.Host.ResolveWithin(timing.Model(model.Retries2, model.RTOMax) / 4)
			window := model.AbortUnresolved(survivor.Host.Resolution())
			reading := survivor.StartRead()

			moved.Host.ChangeAddress()
			survivor.Host.ForgetNeighbours()
			written := survivor.Write(ctx, "are you there?")
			outcome := reading.Within(ctx, window.Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.EHOSTUNREACH))
			Expect(outcome.At - written).To(FallIn(window))
			Expect(survivor.Wire(ctx).Since(written)).To(ShowNone(AnySegment()))
			Expect(moved.State()).To(Equal(socket.Established))
			Observe("aborted_after", outcome.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	It("tells ETIMEDOUT while every segment reaches the host that has another address, which answers none",
		Claim("address/peer-etimedout"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			moved, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			survivor.Host.PinNeighbour(moved.Host)
			window := survivor.Retransmission().AbortAfterWrite()
			reading := survivor.StartRead()

			moved.Host.ChangeAddress()
			written := survivor.Write(ctx, "are you there?")
			outcome := reading.Within(ctx, window.Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			Expect(outcome.At - written).To(FallIn(window))
			Expect(survivor.Wire(ctx).Since(written)).To(ShowOnly(Either(Data(), Retransmission()).From(survivor).Delivered()))
			Expect(survivor.Wire(ctx).ICMPErrors()).To(BeEmpty())
			Expect(moved.State()).To(Equal(socket.Established))
			Observe("aborted_after", outcome.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	It("meets a RST when it comes back to a peer that has given up",
		Claim("address/late-return-rst"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			moved, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			survivor.Host.PinNeighbour(moved.Host)
			window := survivor.Retransmission().AbortAfterWrite()
			reading := survivor.StartRead()

			moved.Host.ChangeAddress()
			survivor.Write(ctx, "are you there?")
			Expect(reading.Within(ctx, window.Ceiling+Soon)).To(FailWith(unix.ETIMEDOUT))
			moved.Host.ChangeAddressBack()
			Expect(moved.State()).To(Equal(socket.Established))
			written := moved.Write(ctx, "here again")

			outcome := moved.Read(ctx)
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Expect(moved.Wire(ctx).Since(written)).To(ShowExactly(Data().From(moved).Delivered(), RST().From(survivor).Delivered()))
			Expect(moved.State()).To(Equal(socket.Gone))
			Observe("detected_after", outcome.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})
})
