package retransmission

import (
	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/lab"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
)

var _ = Story("retransmission", func() {
	It("sends the same bytes again after one measured timeout, then after two, four and eight",
		Claim("retransmission/intervals-double"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_retries2", 5) // long enough to see it
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			model := survivor.Retransmission()

			survivor.Host.Blackhole(broken.Host, lab.All)
			copies := expectLadder(ctx, broken, survivor, model.Intervals()[:5]) // to the tail-loss probe, and four timeouts

			// The kernel's own view agrees, at whatever moment it is asked.
			info := survivor.Snapshot().Info
			Expect(info.Backoff).To(BeNumerically(">=", 4), "doublings")
			Expect(info.RTO).To(Equal(timing.Backoff(model.RTO, model.RTOMax, info.Backoff+1)[info.Backoff]), "the timeout after so many doublings")
			Observe("rto", model.RTO)
			Observe("backoff", info.Backoff)
			Observe("longest_interval", copies[5].At-copies[4].At)
		})
})
