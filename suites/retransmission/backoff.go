package retransmission

import (
	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("retransmission", func() {
	It("waits the doubled timeout for the next write too, as nobody can tell which copy was acknowledged",
		Claim("retransmission/karn-keeps-backoff"), SpecPriority(1), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_timestamps", 0)
			client.SetSysctl("net.ipv4.tcp_early_retrans", 0) // no tail-loss probe: every copy is a timeout's
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			measured := survivor.Retransmission()

			after, timeouts := deliverByCopy(ctx, broken, survivor)

			Expect(after.Info.Backoff).To(Equal(timeouts), "doublings kept")
			Expect(after.Info.RTO).To(Equal(timing.Backoff(measured.RTO, measured.RTOMax, timeouts+1)[timeouts]), "timeout kept")
			expectNextLoss(ctx, broken, survivor)
			Observe("rto", measured.RTO)
			Observe("backoff", after.Info.Backoff)
		})

	It("is back at the measured timeout for the next write once a copy has been acknowledged",
		Claim("retransmission/ack-resets-backoff"), SpecPriority(1), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_early_retrans", 0)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			measured := survivor.Retransmission()

			after, timeouts := deliverByCopy(ctx, broken, survivor)

			Expect(timeouts).To(BeNumerically(">=", 2), "doublings that the acknowledgement takes back")
			Expect(after.Info.Backoff).To(BeZero(), "doublings left")
			Expect(after.Info.RTO).To(BeNumerically("<", 2*measured.RTO), "timeout measured anew")
			expectNextLoss(ctx, broken, survivor)
			Observe("rto", measured.RTO)
			Observe("backoff", after.Info.Backoff)
		})
})

// deliverByCopy loses a write and its first copy and lets a later one through. It returns what the
// kernel thinks of the connection once that is acknowledged, and how many copies timeouts have sent.
func deliverByCopy(ctx SpecContext, broken, survivor *End) (after socket.Snapshot, timeouts int) {
	hole := survivor.Host.Blackhole(broken.Host, lab.All)
	written := survivor.Write(ctx, "lost once")
	survivor.Sees(ctx, Retransmission().From(survivor).After(written))
	hole.Remove()
	Expect(broken.Read(ctx)).To(Deliver("lost once"))
	after = survivor.Acknowledged(ctx)
	return after, len(survivor.Copies(ctx, written)) - 1
}

// expectNextLoss expects the first copy of another lost write after the timeout that the kernel has
// now.
func expectNextLoss(ctx SpecContext, broken, survivor *End) {
	intervals := survivor.Retransmission().Intervals()[:1]
	survivor.Host.Blackhole(broken.Host, lab.All)
	copies := expectLadder(ctx, broken, survivor, intervals)
	Observe("first_retransmission_after", copies[1].At-copies[0].At)
}
