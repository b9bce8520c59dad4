package close

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

const lastWords = "and one more thing"

// lingerUnheard leaves an end with data that the path loses and a linger time for its close.
func lingerUnheard(ctx SpecContext, closer, peer *End, seconds int) (hole *Filter) {
	closer.SetLinger(ctx, seconds)
	hole = closer.Host.Blackhole(peer.Host, lab.All)
	closer.Write(ctx, lastWords)
	return hole
}

var _ = Story("close", func() {
	It("keeps the application in close(2) until its last byte and the FIN have been acknowledged",
		Claim("close/linger-waits-for-acknowledgement"), SpecPriority(1), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			hole := lingerUnheard(ctx, closer, peer, 30)

			closing := closer.StartClose()
			closer.Sees(ctx, Retransmission().From(closer))
			Expect(closer.Wire(ctx).Since(closing.At)).To(ShowOnly(AnySegment().From(closer).Lost()))
			Expect(closing.Blocked()).To(BeTrue(), "close(2) still waits")
			hole.Remove()

			outcome := closing.Within(ctx, Soon)
			Expect(outcome).To(GoThrough())
			acknowledged := closer.Sees(ctx, ACK().From(peer).WithAck(uint32(1+len(lastWords)+1)).Delivered())
			Expect(outcome.At - acknowledged.DeliveredAt).To(FallIn(timing.Prompt()))
			Expect(closer.State()).To(Equal(socket.FinWait2))
			Expect(peer.ReadAll(ctx, len(lastWords)+1)).To(And(ReachEOF(), Deliver(lastWords)))
			Observe("closed_after", acknowledged.DeliveredAt-closing.At)
			Observe("close_blocked_for", outcome.At-closing.At)
		})

	It("lets the application go when the linger time is over, without a word of what is not acknowledged",
		Claim("close/linger-time-over"), SpecPriority(2), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			hole := lingerUnheard(ctx, closer, peer, 1)

			closing := closer.StartClose()
			outcome := closing.Within(ctx, closer.Lingering(1).Ceiling+Soon)

			Expect(outcome).To(GoThrough())
			Expect(outcome.At - closing.At).To(FallIn(closer.Lingering(1)))
			left := closer.Snapshot()
			Expect(left.State).To(Equal(socket.FinWait1))
			Expect(left.Orphaned()).To(BeTrue(), "no process holds the socket")
			hole.Remove()
			Expect(peer.ReadAll(ctx, len(lastWords)+1)).To(And(ReachEOF(), Deliver(lastWords)), "the kernel goes on alone")
			Expect(closer.Wire(ctx)).To(ShowNone(RST()))
			Observe("close_blocked_for", outcome.At-closing.At)
			Observe("state", left.State)
		})

	It("holds no process up that dies",
		Claim("close/linger-not-at-exit"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			lingerUnheard(ctx, closer, peer, 2)

			death := closer.Process.Kill()

			Expect(death.Gone - death.At).To(FallIn(timing.Prompt()))
			left := closer.Snapshot()
			Expect(left.State).To(Equal(socket.FinWait1))
			Expect(left.Orphaned()).To(BeTrue(), "no process holds the socket")
			Expect(closer.Wire(ctx)).To(ShowNone(RST()))
			Observe("close_blocked_for", death.Gone-death.At)
			Observe("state", left.State)
		})

	It("makes shutdown(2) wait for nothing",
		Claim("close/linger-not-shutdown"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			lingerUnheard(ctx, closer, peer, 2)

			shut := closer.Shutdown(ctx)

			took := mono.Now() - shut
			Expect(took).To(FallIn(timing.Prompt()))
			Expect(closer.State()).To(Equal(socket.FinWait1))
			Observe("close_blocked_for", took)
			Observe("state", closer.State())
		})

	It("resets a connection that goes on after the application has closed it",
		Claim("close/data-after-close-rst"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			reading := peer.StartRead()
			closer.Host.Blackhole(peer.Host, lab.FINs) // so that the peer does not know yet
			closed := closer.Close(ctx)

			written := peer.Write(ctx, "are you there?")

			outcome := reading.Within(ctx, Soon)
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			rst := closer.Sees(ctx, RST().From(closer).Delivered())
			Expect(closer.Wire(ctx).Since(closed)).To(ShowExactly(
				FIN().From(closer).Lost(), Data().From(peer), RST().From(closer)))
			Expect(closer.State()).To(Equal(socket.Gone))
			Expect(closer.Counted("TCPAbortOnData")).To(Equal(1), "TCPAbortOnData")
			Observe("rst_after", rst.At-written)
			Observe("aborts_on_data", closer.Counted("TCPAbortOnData"))
		})
})
