package close

import (
	"context"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// orphan is a connection whose application has closed it and whose FIN nobody gets.
type orphan struct {
	model  timing.Orphan
	closed time.Duration
	fin    time.Duration // when the FIN left
	hole   *Filter
}

// closeUnheard closes an end behind which the path to the other loses everything.
func closeUnheard(ctx context.Context, closer, peer *End) orphan {
	left := orphan{model: closer.Orphan()}
	left.hole = closer.Host.Blackhole(peer.Host, lab.All)
	left.closed = closer.Close(ctx)
	left.fin = closer.Sees(ctx, FIN().From(closer)).At
	Expect(closer.Snapshot().Orphaned()).To(BeTrue(), "no process holds the socket")
	return left
}

// expectGivenUp waits for the orphan's end and expects it in time, and in silence.
func (o orphan) expectGivenUp(ctx context.Context, closer *End) {
	gone := closer.GoneIn(ctx, o.fin, o.model.Gone())
	sent := closer.Wire(ctx).Since(o.closed)
	Expect(sent).To(ShowOnly(FIN().From(closer).Lost(), Retransmission().From(closer).Lost()))
	Observe("expired_after", gone)
	Observe("fin_copies", len(Retransmission().In(sent)))
	Observe("window_floor", o.model.Gone().Floor)
	Observe("window_ceiling", o.model.Gone().Ceiling)
}

var _ = Story("close", func() {
	It("repeats the FIN until the orphan's time is over, with the peer still ESTABLISHED",
		Claim("close/orphan-lifetime"), Case("FIN-WAIT-1"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)

			left := closeUnheard(ctx, closer, peer)

			Expect(closer.State()).To(Equal(socket.FinWait1))
			left.expectGivenUp(ctx, closer)
			Observe("orphan_retries", left.model.Retries)
		})

	It("repeats the FIN of the side that closed second for the same time",
		Claim("close/orphan-lifetime"), Case("LAST-ACK"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			first, second := Connect(ctx, client, server).Split(ServerBreaks)
			first.Shutdown(ctx)
			first.SeesFinAcknowledged(ctx)

			left := closeUnheard(ctx, second, first)

			Expect(second.State()).To(Equal(socket.LastAck))
			left.expectGivenUp(ctx, second)
			Observe("orphan_retries", left.model.Retries)
		})

	It("gives the orphan up with one abort on the counters and no RST",
		Claim("close/orphan-no-rst"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)

			left := closeUnheard(ctx, closer, peer)
			left.expectGivenUp(ctx, closer)

			Expect(closer.Counted("TCPAbortOnTimeout")).To(Equal(1), "TCPAbortOnTimeout")
			Expect(closer.Counted("OutRsts")).To(BeZero(), "RSTs counted")
			Observe("aborts_on_timeout", closer.Counted("TCPAbortOnTimeout"))
			Observe("resets", closer.Counted("OutRsts"))
		})

	It("gives the orphan up when the time is over that the application had set before it closed",
		Claim("close/orphan-user-timeout"), SpecPriority(2), func(ctx SpecContext) {
			userTimeout := UserTimeoutInProfile(time.Second, time.Second)
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			closer.UserTimeout(ctx, userTimeout)

			left := closeUnheard(ctx, closer, peer)

			left.expectGivenUp(ctx, closer)
			Observe("user_timeout", userTimeout)
		})

	It("leaves the peer with a connection that looks alive, until it writes and a RST comes back",
		Claim("close/lost-fin-peer-established"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			reading := peer.StartRead()
			left := closeUnheard(ctx, closer, peer)
			closer.GoneIn(ctx, left.fin, left.model.Gone())
			left.hole.Remove()

			Expect(peer.State()).To(Equal(socket.Established))
			Expect(peer.Snapshot().Timer.Kind).To(Equal(socket.NoTimer))
			Expect(reading.Blocked(ctx)).To(BeTrue(), "read(2) still waits")
			written := peer.Write(ctx, "are you there?")

			outcome := reading.Within(ctx, Soon)
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Expect(peer.Wire(ctx).Since(written)).To(ShowExactly(Data().From(peer).Delivered(), RST().From(closer).Delivered()))
			Observe("detected_after", outcome.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	It("keeps trying for a hundred seconds and some with tcp_orphan_retries at the kernel's zero",
		Claim("close/orphan-default-lifetime"), SpecPriority(108), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			closer.Host.PinNeighbour(peer.Host) // or address resolution would fail, and say so

			left := closeUnheard(ctx, closer, peer)

			Expect(left.model.Retries).To(BeZero(), "tcp_orphan_retries")
			left.expectGivenUp(ctx, closer)
			Expect(closer.Counted("TCPAbortOnTimeout")).To(Equal(1), "TCPAbortOnTimeout")
		})
})
