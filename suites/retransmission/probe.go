package retransmission

import (
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("retransmission", func() {
	It("sends one copy that no timeout counts, and the next a full timeout later",
		Claim("retransmission/tail-loss-probe-first"), SpecPriority(1), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_retries2", 0) // the counters stand still once it is given up
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			model := survivor.Retransmission()

			survivor.Host.Blackhole(broken.Host, lab.All)
			written := survivor.Write(ctx, "are you there?")
			outcome := survivor.StartRead().Within(ctx, model.AbortAfterWrite().Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			Expect(survivor.Wire(ctx).Since(written)).To(ShowExactly(unanswered(survivor, 2)...), "the probe's copy and one timeout's")
			copies := survivor.Copies(ctx, written)
			Expect(copies).To(Gaps(OnRealClock(model.Intervals()[:2])...))
			Expect(survivor.Counted("TCPLossProbes")).To(Equal(1), "tail-loss probes")
			Expect(survivor.Counted("TCPTimeouts")).To(Equal(2), "one that sent a copy and one that gave up")
			Observe("tail_loss_probe_after", copies[probe].At-written)
			Observe("first_retransmission_after", copies[first].At-written)
			Observe("rto", model.RTO)
			Observe("loss_probes", survivor.Counted("TCPLossProbes"))
			Observe("timeouts", survivor.Counted("TCPTimeouts"))
		})

	// Half a second apart, probe and first timeout's copy tell their clocks apart however late a
	// timer fires: 1 s after the copy and 1.5 s after the probe, tcp_retries2=2 asks for 1.4 s.
	It("survives the timeout that would have been its last, had the clock started with the probe",
		Claim("retransmission/tail-loss-probe-not-the-clock"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_retries2", 2)
			client.RouteMinimumRTO(500 * time.Millisecond)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			model := survivor.Retransmission()

			survivor.Host.Blackhole(broken.Host, lab.All)
			written := survivor.Write(ctx, "are you there?")
			outcome := survivor.StartRead().Within(ctx, model.AbortAfterWrite().Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			Expect(survivor.Counted("TCPLossProbes")).To(Equal(1), "tail-loss probes")
			copies := expectAbort(ctx, survivor, model, written, outcome.At)
			last := copies[len(copies)-1]
			Expect(last.At-copies[probe].At).To(BeNumerically(">", model.CopiesBefore()), "from the probe to the last copy")
			Observe("tail_loss_probe_after", copies[probe].At-written)
		})
})
