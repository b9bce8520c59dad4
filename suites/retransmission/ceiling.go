package retransmission

import (
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
)

// ceiling is the lowest ceiling of the retransmission timeout that the kernel takes.
const ceiling = time.Second

var _ = Story("retransmission", func() {
	It("never waits longer for the next copy than the second that the host's sysctl allows",
		Claim("retransmission/rto-max-sysctl-ladder"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_retries2", 5) // long enough to see two timeouts at the ceiling
			client.SetSysctl("net.ipv4.tcp_rto_max_ms", int(ceiling.Milliseconds()))
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			expectLadderToCeiling(ctx, broken, survivor)
		})

	It("never waits longer for the next copy than the second that the socket's option allows",
		Claim("retransmission/rto-max-option-ladder"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_retries2", 5)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			survivor.MaximumRTO(ctx, ceiling)
			expectLadderToCeiling(ctx, broken, survivor)
		})

	It("gives up as early as timeouts of a second at the most add up to, by the host's sysctl",
		Claim("retransmission/rto-max-sysctl-abort"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_rto_max_ms", int(ceiling.Milliseconds()))
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			expectAbortUnderCeiling(ctx, broken, survivor)
		})

	It("gives up as early as timeouts of a second at the most add up to, by the socket's option",
		Claim("retransmission/rto-max-option-abort"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			survivor.MaximumRTO(ctx, ceiling)
			expectAbortUnderCeiling(ctx, broken, survivor)
		})
})

// expectLadderToCeiling expects two timeouts of a second, where the third and fourth doubling would
// have led to 1.6 s and 3.3 s.
func expectLadderToCeiling(ctx SpecContext, broken, survivor *End) {
	model := survivor.Retransmission()
	model.RTOMax = ceiling

	survivor.Host.Blackhole(broken.Host, lab.All)
	copies := expectLadder(ctx, broken, survivor, model.Intervals()[:6])

	Expect(survivor.Snapshot().Info.RTO).To(Equal(ceiling))
	Observe("rto", model.RTO)
	Observe("rto_max", ceiling)
	Observe("longest_interval", max(copies[5].At-copies[4].At, copies[6].At-copies[5].At))
}

// expectAbortUnderCeiling expects the abort where the model has it for this ceiling.
func expectAbortUnderCeiling(ctx SpecContext, broken, survivor *End) {
	model := survivor.Retransmission()
	model.RTOMax = ceiling

	survivor.Host.Blackhole(broken.Host, lab.All)
	written := survivor.Write(ctx, "are you there?")
	outcome := survivor.StartRead().Within(ctx, model.AbortAfterWrite().Ceiling+Soon)

	Expect(outcome).To(FailWith(unix.ETIMEDOUT))
	expectAbort(ctx, survivor, model, written, outcome.At)
	Observe("rto_max", ceiling)
	Observe("retries2", model.Retries2)
}
