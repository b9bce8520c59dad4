package window

import (
	"context"
	"slices"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// connect makes a connection whose server does not read, and whose client wants to write more than
// its server's window holds. A probe's number is out of any window, and so its answer would be
// subject to tcp_invalid_ratelimit: without that each probe has one.
func connect(ctx context.Context) (reader, writer *End) {
	client, server := Pair(ctx)
	server.SetSysctl("net.ipv4.tcp_invalid_ratelimit", 0)
	return Connect(ctx, client, server, SmallWindow()).Split(ServerBreaks)
}

// since are the segments that closed the window and probed it.
func since(closing ClosedWindow, probes []wire.Segment) []wire.Segment {
	return append([]wire.Segment{closing.ACK}, probes...)
}

var _ = Story("window", func() {
	It("leaves what does not fit in the sender's queue, and its probe timer armed",
		Claim("window/persist-timer"), func(ctx SpecContext) {
			reader, writer := connect(ctx)
			closing := writer.FillWindow(ctx)

			waiting := writer.Snapshot()
			Expect(waiting.State).To(Equal(socket.Established))
			Expect(waiting.Timer.Kind).To(Equal(socket.Persist))
			Expect(waiting.SendQueue).NotTo(BeZero())
			Expect(waiting.Info.Unacked).To(BeZero(), "nothing is in flight: all that was sent has been acknowledged")
			Expect(int(waiting.SendQueue) + int(reader.Snapshot().ReceiveQueue)).To(Equal(closing.Written))
			Expect(waiting.Info.SendWindow).To(BeZero())
			Observe("timer", waiting.Timer.Kind)
			Observe("rto", waiting.Info.RTO)
		})

	It("is probed for the first time when one retransmission timeout has gone",
		Claim("window/first-probe"), func(ctx SpecContext) {
			_, writer := connect(ctx)
			closing := writer.FillWindow(ctx)
			probes := writer.SeesProbes(ctx, closing, 1)

			Expect(since(closing, probes)).To(Gaps(OnRealClock(closing.Model.Intervals(1))...))
			Observe("first_window_probe_after", probes[0].At-closing.ACK.DeliveredAt)
			Observe("rto", closing.Model.RTO)
		})

	It("is probed at intervals that double",
		Claim("window/probes-double"), SpecPriority(3), func(ctx SpecContext) {
			_, writer := connect(ctx)
			closing := writer.FillWindow(ctx)
			probes := writer.SeesProbes(ctx, closing, 4)

			Expect(since(closing, probes)).To(Gaps(OnRealClock(closing.Model.Intervals(4))...))
			Observe("window_probe_interval", probes[3].At-probes[2].At)
			Observe("rto", closing.Model.RTO)
		})

	It("is probed without a byte of data, by a number that the peer has long had",
		Claim("window/probe-empty"), SpecPriority(1), func(ctx SpecContext) {
			reader, writer := connect(ctx)
			closing := writer.FillWindow(ctx)
			const probed = 3
			probes := writer.SeesProbes(ctx, closing, probed)
			reader.Sees(ctx, ACK().From(reader).After(probes[probed-1].At).Delivered())

			next := closing.ACK.RelAck
			exchange := []Predicate{WindowProbe().From(writer).Empty().WithSeq(next - 1), ACK().From(reader).Closed().WithAck(next)}
			Expect(writer.Wire(ctx).Since(probes[0].At)).To(ShowExactly(slices.Repeat(exchange, probed)...))
			Expect(writer.Counted("TCPWinProbe")).To(Equal(probed), "window probes counted")
			Observe("window_probes", probed)
		})

	It("answers the first of two probes within half a second and not the second",
		Claim("window/answers-ratelimited"), SpecPriority(2), func(ctx SpecContext) {
			client, server := Pair(ctx)
			reader, writer := Connect(ctx, client, server, SmallWindow()).Split(ServerBreaks)
			closing := writer.FillWindow(ctx)
			probes := writer.SeesProbes(ctx, closing, 3)
			reader.Sees(ctx, ACK().From(reader).After(probes[2].At).Delivered())

			Expect(probes[1].At-probes[0].At).To(BeNumerically("<", timing.InvalidRateLimit), "from the first probe to the second")
			Expect(probes[2].At-probes[0].At).To(BeNumerically(">", timing.InvalidRateLimit), "from the first probe to the third")
			Expect(writer.Wire(ctx).Since(probes[0].At)).To(ShowExactly(
				WindowProbe().From(writer), ACK().From(reader).Closed(),
				WindowProbe().From(writer).Delivered(), // and not a word
				WindowProbe().From(writer), ACK().From(reader).Closed()))
			Expect(reader.Counted("TCPACKSkippedSeq")).To(Equal(1), "answers left out")
			Observe("window_probes", len(probes))
			Observe("answers_left_out", reader.Counted("TCPACKSkippedSeq"))
		})

	It("keeps the connection for as long as the peer answers, long after tcp_retries2 would have ended it",
		Claim("window/answered-stays-open"), SpecPriority(7), func(ctx SpecContext) {
			reader, writer := connect(ctx)
			reading := writer.StartRead()
			closing := writer.FillWindow(ctx)
			probed := closing.Model.Retries2 + 3
			probes := writer.SeesProbes(ctx, closing, probed)
			reader.Sees(ctx, ACK().From(reader).Closed().After(probes[probed-1].At).Delivered())

			Expect(writer.State()).To(Equal(socket.Established))
			Expect(writer.PendingError(ctx)).To(BeZero())
			Expect(reading.Blocked(ctx)).To(BeTrue())
			Expect(reader.ReadAll(ctx, closing.Written)).To(DeliverFill(closing.Written))
			Observe("window_probes", probed)
			Observe("retries2", closing.Model.Retries2)
			Observe("stayed_open", probes[probed-1].At-closing.ACK.DeliveredAt)
		})

	It("is probed at a steady interval once it has doubled tcp_retries2 times",
		Claim("window/probe-period"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			server.SetSysctl("net.ipv4.tcp_invalid_ratelimit", 0)
			client.SetSysctl("net.ipv4.tcp_retries2", 2)
			_, writer := Connect(ctx, client, server, SmallWindow()).Split(ServerBreaks)
			closing := writer.FillWindow(ctx)
			const settled = 3 // after two doublings
			probes := writer.SeesProbes(ctx, closing, settled+2)

			Expect(since(closing, probes)).To(Gaps(OnRealClock(closing.Model.Intervals(settled + 2))...))
			Expect(writer.Snapshot().Info.Backoff).To(Equal(2), "doublings")
			Observe("window_probe_interval", probes[settled+1].At-probes[settled].At)
			Observe("retries2", closing.Model.Retries2)
		})
})
