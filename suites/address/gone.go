package address

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("address", func() {
	It("sends nothing over IPv4 and goes on sending over IPv6 where the address is gone",
		Claim("address/gone-source"), SpecPriority(2), func(ctx SpecContext) {
			client, server := Pair(ctx)
			moved, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			model := moved.Retransmission()

			gone := moved.Host.ChangeAddress()
			written := moved.Write(ctx, "who am I?")
			if Family() == 6 {
				Expect(survivor.Read(ctx)).To(Deliver("who am I?"))
				copied := moved.SeesByTimeout(ctx, model, failing)
				Expect(copied.Src).To(Equal(moved.Local()), "the address that the host has no more")
				Expect(moved.Wire(ctx).Since(gone)).To(ShowInOrder(ACK().From(survivor), Retransmission().From(moved).Delivered()))
			} else {
				waitForTimeouts(ctx, model)
				Expect(moved.Wire(ctx).Since(gone)).To(ShowNone(AnySegment()))
				Expect(moved.Counted("IpOutNoRoutes")).To(BeNumerically(">", failing), "attempts")
			}

			Expect(moved.Snapshot().SendQueue).To(BeNumerically(">", 0), "bytes that are not acknowledged")
			Expect(moved.State()).To(Equal(socket.Established))
			Observe("segments", len(moved.Wire(ctx).Since(written).Segments()))
		})

	It("ends data in flight with ENETUNREACH over IPv4 and ETIMEDOUT over IPv6",
		Claim("address/gone-in-flight-errno"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			moved, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			model := moved.Retransmission()
			reading := moved.StartRead()

			written := writeInFlight(ctx, moved, survivor, "in flight", (*Host).ChangeAddress)
			window := byFamily(model.AbortUnsent(), model.AbortAfterWrite())
			outcome := reading.Within(ctx, window.Ceiling+Soon)

			Expect(outcome).To(FailWith(byFamily(unix.ENETUNREACH, unix.ETIMEDOUT)))
			Expect(outcome.At - written).To(FallIn(window))
			Expect(moved.State()).To(Equal(socket.Gone))
			Expect(moved.Wire(ctx)).To(ShowNone(RST()))
			Expect(survivor.State()).To(Equal(socket.Established))
			Observe("aborted_after", outcome.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	It("takes a write from who was idle, and ends it with ETIMEDOUT",
		Claim("address/gone-idle-writer-errno"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			moved, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			window := moved.Retransmission().AbortAfterWrite()
			reading := moved.StartRead()

			moved.Host.ChangeAddress()
			written := moved.Write(ctx, "who am I?")
			if Family() == 4 {
				window = moved.Unsendable(ctx).Abort()
			}
			outcome := reading.Within(ctx, window.Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			Expect(outcome.At - written).To(FallIn(window))
			Expect(moved.State()).To(Equal(socket.Gone))
			Expect(survivor.State()).To(Equal(socket.Established))
			Observe("aborted_after", outcome.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	It("never sends from another address, though the host could reach its peer from one",
		Claim("address/never-changes"), SpecPriority(2), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			model := conn.Client.Retransmission()

			client.ChangeAddress()
			conn.Client.Write(ctx, "by the old connection")
			waitForTimeouts(ctx, model)
			Expect(client.SentFrom(ctx, client.OtherAddress())).To(BeEmpty())
			fresh, outcome := client.StartProcess().TryDialFromOther(ctx, conn.Listener, Soon)

			Expect(outcome).To(GoThrough())
			fresh.Write(ctx, "by a new one")
			Expect(conn.Listener.Accept(ctx).Read(ctx)).To(Deliver("by a new one"))
			Expect(client.SentFrom(ctx, client.OtherAddress())).To(ShowNone(AnySegment().Carrying("by the old connection")))
			Expect(conn.Client.Snapshot().SendQueue).To(BeNumerically(">", 0), "bytes that are not acknowledged")
			Observe("state", conn.Client.State())
		})

	It("tells ENETUNREACH of data in flight when the route is lost for good",
		Claim("address/route-in-flight-errno"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			stranded, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			window := stranded.Retransmission().AbortUnsent()
			reading := stranded.StartRead()

			written := writeInFlight(ctx, stranded, survivor, "in flight", (*Host).RemoveRoute)
			outcome := reading.Within(ctx, window.Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ENETUNREACH))
			Expect(outcome.At - written).To(FallIn(window))
			Expect(stranded.State()).To(Equal(socket.Gone))
			Expect(survivor.State()).To(Equal(socket.Established))
			Observe("aborted_after", outcome.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	It("tells ETIMEDOUT over IPv4 and ENETUNREACH over IPv6 of what was written without a route",
		Claim("address/route-idle-writer-errno"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			stranded, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			reading := stranded.StartRead()

			stranded.Host.RemoveRoute()
			written := stranded.Write(ctx, "is there a way?")
			window := stranded.Unsendable(ctx).Abort()
			outcome := reading.Within(ctx, window.Ceiling+Soon)

			Expect(outcome).To(FailWith(byFamily(unix.ETIMEDOUT, unix.ENETUNREACH)))
			Expect(outcome.At - written).To(FallIn(window))
			Expect(stranded.Wire(ctx).Since(written)).To(ShowNone(AnySegment()))
			Expect(survivor.State()).To(Equal(socket.Established))
			Observe("aborted_after", outcome.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})
})

// byFamily is what IPv4 has and IPv6 has in its place.
func byFamily[T any](v4, v6 T) T {
	if Family() == 4 {
		return v4
	}
	return v6
}
