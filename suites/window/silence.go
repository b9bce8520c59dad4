package window

import (
	"context"
	"slices"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("window", func() {
	It("gives up one interval after the last of tcp_retries2 probes that nobody answered",
		Claim("window/silent-abort-count"), SpecPriority(4), func(ctx SpecContext) {
			reader, writer := connect(ctx)
			reading := writer.StartRead()
			closing := writer.FillWindow(ctx)
			reader.Host.Blackhole(writer.Host, lab.All)
			outcome := reading.Within(ctx, closing.Model.Abort().Ceiling+Soon)

			closing = writer.SinceLastAnswer(ctx, closing)
			closed := closing.ACK.DeliveredAt
			Expect(outcome.At - closed).To(FallIn(closing.Model.Abort()))
			probes := writer.Probes(ctx, closing)
			Expect(probes).To(HaveLen(closing.Model.Retries2), "window probes")
			Expect(since(closing, probes)).To(Gaps(OnRealClock(closing.Model.Intervals(len(probes)))...))
			Expect(writer.State()).To(Equal(socket.Gone))
			Expect(writer.Counted("TCPAbortOnTimeout")).To(Equal(1), "aborts counted")
			Expect(writer.Counted("TCPTimeouts")).To(BeZero(), "retransmission timeouts: there was nothing to retransmit")
			Observe("aborted_after", outcome.At-closed)
			Observe("window_probes", len(probes))
			Observe("rto", closing.Model.RTO)
			Observe("retries2", closing.Model.Retries2)
			Observe("window_floor", closing.Model.Abort().Floor)
			Observe("window_ceiling", closing.Model.Abort().Ceiling)
		})

	It("tells the application ETIMEDOUT once, and EPIPE when it writes again",
		Claim("window/silent-abort-etimedout"), SpecPriority(4), func(ctx SpecContext) {
			reader, writer := connect(ctx)
			reading := writer.StartRead()
			closing := writer.FillWindow(ctx)
			silent := reader.Host.Blackhole(writer.Host, lab.All)
			outcome := reading.Within(ctx, closing.Model.Abort().Ceiling+Soon)
			silent.Remove()

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			next := writer.TryWrite(ctx, "hello?")
			Expect(next).To(FailWith(unix.EPIPE))
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("next_errno", unix.ErrnoName(next.Errno))
		})

	It("leaves nothing on the wire but its probes when the peer's host has died, and no RST",
		Claim("window/silent-abort-no-rst"), SpecPriority(4), func(ctx SpecContext) {
			reader, writer := connect(ctx)
			writer.Host.PinNeighbour(reader.Host)
			reading := writer.StartRead()
			closing := writer.FillWindow(ctx)
			died := reader.Host.PowerOff()
			off := mono.Now()
			outcome := reading.Within(ctx, closing.Model.Abort().Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			closing = writer.SinceLastAnswer(ctx, closing)
			Expect(closing.ACK.At).To(BeNumerically("<", off), "a probe that leaves while the power goes may still be answered")
			Expect(writer.Wire(ctx).Since(closing.ACK.At)).To(ShowExactly(append([]Predicate{ACK().From(reader)},
				slices.Repeat([]Predicate{WindowProbe().From(writer).Lost()}, closing.Model.Retries2)...)...))
			Expect(writer.Counted("OutRsts")).To(BeZero(), "RSTs counted")
			Observe("detected_after", outcome.At-died)
			Observe("window_probes", closing.Model.Retries2)
			Observe("resets", writer.Counted("OutRsts"))
		})

	It("gives up when the first probe would have been due, without sending it, where tcp_retries2 is 0 and though the peer lives",
		Claim("window/retries2-0-not-probed"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_retries2", 0)
			reader, writer := Connect(ctx, client, server, SmallWindow()).Split(ServerBreaks)
			reading := writer.StartRead()
			closing := writer.FillWindow(ctx)
			outcome := reading.Within(ctx, closing.Model.Abort().Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			closed := closing.ACK.DeliveredAt
			Expect(outcome.At - closed).To(FallIn(closing.Model.Abort()))
			Expect(writer.Wire(ctx).Since(closing.ACK.At)).To(ShowNone(Either(AnySegment().From(writer), RST())))
			Expect(reader.State()).To(Equal(socket.Established))
			Observe("aborted_after", outcome.At-closed)
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("window_probes", 0)
			Observe("rto", closing.Model.RTO)
			Observe("window_floor", closing.Model.Abort().Floor)
			Observe("window_ceiling", closing.Model.Abort().Ceiling)
		})

	It("counts from the start once a single probe has been answered",
		Claim("window/answer-restarts-count"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			server.SetSysctl("net.ipv4.tcp_invalid_ratelimit", 0)
			client.SetSysctl("net.ipv4.tcp_retries2", 2)
			reader, writer := Connect(ctx, client, server, SmallWindow()).Split(ServerBreaks)
			reading := writer.StartRead()
			closing := writer.FillWindow(ctx)

			silent := reader.Host.Blackhole(writer.Host, lab.All)
			writer.SeesProbes(ctx, closing, 1)
			silent.Remove()
			answered := writer.SeesProbes(ctx, closing, 2)[1]
			answer := reader.Sees(ctx, ACK().From(reader).After(answered.At).Delivered())
			reader.Host.Blackhole(writer.Host, lab.All)
			model := closing.Model
			model.Backoff = model.Retries2 // what two probes have made of it, which an answer does not undo
			outcome := reading.Within(ctx, model.Abort().Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			Expect(outcome.At - answer.DeliveredAt).To(FallIn(model.Abort()))
			Expect(writer.Probes(ctx, closing)).To(HaveLen(2+model.Retries2), "two, one of which was answered, and two that were not")
			Observe("aborted_after", outcome.At-answer.DeliveredAt)
			Observe("window_probes", len(writer.Probes(ctx, closing)))
		})

	It("is ended by TCP_USER_TIMEOUT although the peer answers every probe",
		Claim("window/user-timeout-answered"), SpecPriority(3), func(ctx SpecContext) {
			userTimeout := UserTimeoutInProfile(1500*time.Millisecond, 1500*time.Millisecond)
			reader, writer := connect(ctx)
			writer.UserTimeout(ctx, userTimeout)
			reading := writer.StartRead()
			closing := writer.FillWindow(ctx)
			window := closing.Model.AbortByUserTimeout(userTimeout)
			outcome := reading.Within(ctx, closing.Model.Intervals(1)[0].Ceiling+window.Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			probes := writer.Probes(ctx, closing)
			expectAnswers(ctx, reader, writer, closing, probes)
			Expect(outcome.At - probes[0].At).To(FallIn(window))
			Expect(writer.Wire(ctx)).To(ShowNone(RST()))
			Observe("aborted_after", outcome.At-closing.ACK.DeliveredAt)
			Observe("abort_clock", outcome.At-probes[0].At)
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("rto", closing.Model.RTO)
			Observe("user_timeout", userTimeout)
			Observe("window_probes", len(probes))
		})

	It("is ended by TCP_USER_TIMEOUT when the peer has fallen silent, before tcp_retries2 would end it",
		Claim("window/user-timeout-silent"), SpecPriority(3), func(ctx SpecContext) {
			userTimeout := UserTimeoutInProfile(1500*time.Millisecond, 1500*time.Millisecond)
			reader, writer := connect(ctx)
			writer.UserTimeout(ctx, userTimeout)
			reading := writer.StartRead()
			closing := writer.FillWindow(ctx)
			reader.Host.Blackhole(writer.Host, lab.All)
			window := closing.Model.AbortByUserTimeout(userTimeout)
			outcome := reading.Within(ctx, closing.Model.Intervals(1)[0].Ceiling+window.Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			probes := writer.Probes(ctx, closing)
			Expect(outcome.At - probes[0].At).To(FallIn(window))
			Expect(len(probes)).To(BeNumerically("<=", closing.Model.Retries2), "window probes")
			Expect(writer.Wire(ctx)).To(ShowNone(RST()))
			Observe("aborted_after", outcome.At-closing.ACK.DeliveredAt)
			Observe("abort_clock", outcome.At-probes[0].At)
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("rto", closing.Model.RTO)
			Observe("user_timeout", userTimeout)
			Observe("window_probes", len(probes))
		})
})

// expectAnswers expects each probe to have been answered by a window that was still closed.
func expectAnswers(ctx context.Context, reader, writer *End, closing ClosedWindow, probes []wire.Segment) {
	Expect(probes).NotTo(BeEmpty(), "window probes")
	exchange := []Predicate{WindowProbe().From(writer).Delivered(), ACK().From(reader).Closed().Delivered()}
	Expect(writer.Wire(ctx).Since(probes[0].At)).To(ShowExactly(slices.Repeat(exchange, len(probes))...))
}
