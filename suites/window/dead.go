package window

import (
	"slices"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("window", func() {
	It("does not keep a RST out: the reader gets what had arrived, and then ECONNRESET",
		Claim("window/rst-processed"), func(ctx SpecContext) {
			reader, writer := connect(ctx)
			closing := writer.FillWindow(ctx)
			arrived := int(closing.ACK.RelAck) - 1
			Expect(reader.Snapshot().ReceiveQueue).To(BeEquivalentTo(arrived), "the window is full")

			writer.SetLinger(ctx, 0)
			death := writer.Process.Kill()
			rst := writer.Sees(ctx, RST().From(writer).Delivered())
			reader.Reaches(ctx, socket.Gone)

			Expect(rst.RelSeq).To(Equal(closing.ACK.RelAck), "the very next number, of which the window had none left")
			Expect(writer.Wire(ctx).Since(death.At)).To(ShowExactly(RST().From(writer)), "and nobody answers a RST")
			Expect(reader.ReadAll(ctx, arrived)).To(DeliverFill(arrived))
			outcome := reader.Read(ctx)
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Observe("rst_after", rst.At-death.At)
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("bytes_delivered", arrived)
		})

	It("is probed by the orphan that a dying process leaves, which delivers everything in the end",
		Claim("window/orphan-probes"), SpecPriority(2), func(ctx SpecContext) {
			reader, writer := connect(ctx)
			closing := writer.FillWindow(ctx)
			death := writer.Process.Kill()
			probes := writer.SeesProbes(ctx, closing, 2)
			reader.Sees(ctx, ACK().From(reader).Closed().After(probes[1].At).Delivered())

			orphan := writer.Snapshot()
			Expect(orphan.State).To(Equal(socket.FinWait1))
			Expect(orphan.Orphaned()).To(BeTrue(), "no process holds it")
			Expect(orphan.Timer.Kind).To(Equal(socket.Persist))
			Expect(writer.Wire(ctx).Since(death.At)).To(ShowNone(FIN()), "the FIN waits behind the data")

			outcome := reader.ReadAll(ctx, closing.Written+1)
			Expect(outcome).To(ReachEOF())
			Expect(outcome).To(DeliverFill(closing.Written))
			Observe("state", orphan.State)
			Observe("timer", orphan.Timer.Kind)
			Observe("window_probes", len(probes))
			Observe("bytes_delivered", outcome.N)
		})

	It("is given up by an orphan after tcp_orphan_retries probes that nobody answered, and the reader never learns",
		Claim("window/orphan-silent-abort"), SpecPriority(3), func(ctx SpecContext) {
			reader, writer := connect(ctx)
			closing := writer.FillWindow(ctx)
			reader.Host.Blackhole(writer.Host, lab.All)
			death := writer.Process.Kill()
			writer.SeesProbes(ctx, closing, writer.Orphaned(closing).Count())
			closing = writer.SinceLastAnswer(ctx, closing)
			window := writer.Orphaned(closing).SilentAbort()
			gone := writer.GoneIn(ctx, closing.ACK.DeliveredAt, window)

			Expect(writer.Wire(ctx).Since(death.At)).To(ShowOnly(WindowProbe().From(writer), ACK().From(reader).Lost()))
			Expect(writer.Probes(ctx, closing)).To(HaveLen(writer.Orphaned(closing).Count()))
			Expect(reader.State()).To(Equal(socket.Established))
			Expect(reader.Snapshot().Timer.Kind).To(Equal(socket.NoTimer))
			Observe("expired_after", gone)
			Observe("window_probes", len(writer.Probes(ctx, closing)))
			Observe("other_state", reader.State())
			Observe("window_floor", window.Floor)
			Observe("window_ceiling", window.Ceiling)
		})

	It("is given up by an orphan even though it is answered, once the interval cannot double any more",
		Claim("window/orphan-answered-abort"), func(ctx SpecContext) {
			reader, writer := connect(ctx)
			closing := writer.FillWindow(ctx)
			death := writer.Process.Kill()
			window, possible := writer.Orphaned(closing).AnsweredAbort()
			Expect(possible).To(BeTrue(), "tcp_retries2 lets the interval double up to its ceiling")
			gone := writer.GoneIn(ctx, closing.ACK.DeliveredAt, window)

			probes := writer.Probes(ctx, closing)
			exchange := []Predicate{WindowProbe().From(writer).Delivered(), ACK().From(reader).Closed().Delivered()}
			Expect(writer.Wire(ctx).Since(death.At)).To(ShowExactly(slices.Repeat(exchange, len(probes))...))
			Observe("expired_after", gone)
			Observe("window_probes", len(probes))
			Observe("window_floor", window.Floor)
			Observe("window_ceiling", window.Ceiling)
		})

	It("is probed by an orphan without an end, if tcp_retries2 stops the doubling before",
		Claim("window/orphan-answered-stays"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			server.SetSysctl("net.ipv4.tcp_invalid_ratelimit", 0)
			client.SetSysctl("net.ipv4.tcp_retries2", 1)
			client.SetSysctl("net.ipv4.tcp_orphan_retries", 1)
			reader, writer := Connect(ctx, client, server, SmallWindow()).Split(ServerBreaks)
			closing := writer.FillWindow(ctx)
			_, possible := writer.Orphaned(closing).AnsweredAbort()
			Expect(possible).To(BeFalse(), "the interval cannot reach its ceiling")
			writer.Process.Kill()

			const probed = 6 // many times either limit
			probes := writer.SeesProbes(ctx, closing, probed)
			reader.Sees(ctx, ACK().From(reader).Closed().After(probes[probed-1].At).Delivered())
			orphan := writer.Snapshot()
			Expect(orphan.State).To(Equal(socket.FinWait1))
			Expect(orphan.Orphaned()).To(BeTrue(), "no process holds it")
			Expect(orphan.Timer.Kind).To(Equal(socket.Persist))
			Expect(since(closing, probes)).To(Gaps(OnRealClock(closing.Model.Intervals(probed))...))
			Observe("window_probes", probed)
			Observe("stayed_open", probes[probed-1].At-closing.ACK.DeliveredAt)
			Observe("state", orphan.State)
		})
})
