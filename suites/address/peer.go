package address

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

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

	It("tells EHOSTUNREACH behind a router, which has asked in vain and says so",
		Claim("address/peer-behind-router-ehostunreach"), SpecPriority(5), func(ctx SpecContext) {
			client, router, server := RoutedPair(ctx)
			moved, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			model := survivor.Retransmission()
			window := model.First().Then(model.AbortBetween()) // an error undoes a doubling over IPv4 (RFC 6069)
			reading := survivor.StartRead()

			moved.Host.ChangeAddress()
			router.ForgetNeighbours(timing.Model(model.Retries2, model.RTOMax) / 4)
			written := survivor.Write(ctx, "are you there?")
			outcome := reading.Within(ctx, window.Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.EHOSTUNREACH))
			Expect(outcome.At - written).To(FallIn(window))
			Expect(survivor.Wire(ctx).Since(written)).To(ShowOnly(Either(Data(), Retransmission()).From(survivor).DroppedBy(router)))
			Expect(survivor.Wire(ctx).ICMPErrors()).NotTo(BeEmpty())
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
