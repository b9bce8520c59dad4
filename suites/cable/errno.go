package cable

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("cable", func() {
	It("says EHOSTUNREACH where the carrier is gone, and nothing leaves the host before",
		Claim("cable/own-cable-ehostunreach"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			if timeout := UserTimeoutInProfile(0, 0); timeout != 0 {
				conn.Client.UserTimeout(ctx, timeout)
			}
			window := abortUnresolved(conn.Client)
			reading := conn.Client.StartRead()

			client.Unplug()
			written := conn.Client.Write(ctx, "are you there?")
			outcome := reading.Within(ctx, window.Ceiling+RealClockSlack)

			Expect(outcome).To(FailWith(unix.EHOSTUNREACH))
			Expect(outcome.At - written).To(FallIn(window))
			Expect(conn.Client.State()).To(Equal(socket.Gone))
			Expect(conn.Client.Counted("TCPAbortOnTimeout")).To(Equal(1))
			Expect(conn.Wire(ctx).Since(written)).To(ShowNone(AnySegment()))
			Expect(conn.Server.State()).To(Equal(socket.Established))
			Observe("aborted_after", outcome.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	It("says EHOSTUNREACH behind a switch when nobody answers for the peer's address any more",
		Claim("cable/far-cable-ehostunreach"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			window := abortUnresolved(survivor)
			reading := survivor.StartRead()

			broken.Host.Unplug()
			survivor.Host.ForgetNeighbours() // so that it must ask, and finds out within seconds
			written := survivor.Write(ctx, "are you there?")
			outcome := reading.Within(ctx, window.Ceiling+RealClockSlack)

			Expect(outcome).To(FailWith(unix.EHOSTUNREACH))
			Expect(outcome.At - written).To(FallIn(window))
			Expect(survivor.State()).To(Equal(socket.Gone))
			Expect(survivor.Counted("TCPAbortOnTimeout")).To(Equal(1))
			Expect(survivor.Wire(ctx).Since(written)).To(ShowNone(AnySegment()))
			Observe("aborted_after", outcome.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	It("says ETIMEDOUT behind a switch while the peer's MAC is still believed",
		Claim("cable/far-cable-etimedout"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			model := survivor.Retransmission()
			survivor.Host.TrustNeighbours(model.AbortAfterWrite().Ceiling + RealClockSlack)
			reading := survivor.StartRead()

			broken.Host.Unplug()
			written := survivor.Write(ctx, "are you there?")
			outcome := reading.Within(ctx, model.AbortAfterWrite().Ceiling+RealClockSlack)

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			Expect(outcome.At - written).To(FallIn(model.AbortAfterWrite()))
			Expect(survivor.State()).To(Equal(socket.Gone))
			Expect(broken.State()).To(Equal(socket.Established))
			segments := survivor.Wire(ctx).Since(written)
			Expect(segments).To(ShowTimes(1, Data().From(survivor).Lost()))
			Expect(segments).To(ShowNone(Either(RST(), AnySegment().From(broken), AnySegment().Delivered())))
			Observe("aborted_after", outcome.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})
})

// abortUnresolved is when the end gives up what it writes if it cannot resolve the peer's address. It sees
// to it that resolution fails well before: IPv4 looks at the deadline first when the ICMP error
// arrives, and takes note of the error then (tcp_v4_err, tcp_ld_RTO_revert), so that an error which
// comes when the time is up is never told.
func abortUnresolved(end *End) timing.Window {
	model := end.Retransmission()
	model.UserTimeout = UserTimeoutInProfile(0, 0)
	end.Host.ResolveWithin(model.Limit() / 4)
	return model.AbortUnresolved(end.Host.Resolution())
}
