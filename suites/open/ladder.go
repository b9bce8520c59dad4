package open

import (
	"context"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/process"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// expectConnectGivenUp connects through a path that loses every SYN, and expects the SYNs and the
// end when the model has them.
func expectConnectGivenUp(ctx context.Context, client, server *Host, model timing.SYN, options ...process.Option) (after time.Duration) {
	listener := server.StartProcess().Listen(ctx)
	caller := client.StartProcess()
	client.PinNeighbour(server) // so that the first SYN leaves when connect(2) is called
	client.Blackhole(server, lab.SYNs)
	_, outcome := caller.TryDial(ctx, listener, model.Abort().Ceiling+Soon, options...)

	Expect(outcome).To(FailWith(unix.ETIMEDOUT))
	connecting := caller.WireTo(ctx, listener)
	syns := connecting.Segments()
	least, most := model.SendsRange()
	Expect(len(syns)).To(And(BeNumerically(">=", least), BeNumerically("<=", most)), "SYNs")
	Expect(connecting).To(ShowExactly(synLadder(client, len(syns))...))
	intervals, last := model.Intervals(len(syns)), len(syns)-1
	Expect(connecting).To(Gaps(OnRealClock(intervals[:last])...))
	Expect(outcome.At - syns[last].At).To(FallIn(intervals[last]))
	after = outcome.At - syns[0].At
	Expect(after).To(BeNumerically(">=", model.Abort().Floor), "from the first SYN to the end")
	Observe("aborted_after", after)
	Observe("errno", unix.ErrnoName(outcome.Errno))
	Observe("syns", len(syns))
	Observe("syn_retries", model.Retries)
	Observe("window_floor", model.Abort().Floor)
	Observe("window_ceiling", model.Abort().Ceiling)
	return after
}

// synLadder is a SYN and its copies, n segments in all, of which none arrives.
func synLadder(client *Host, n int) []Predicate {
	ladder := []Predicate{SYN().From(client).Lost()}
	for len(ladder) < n {
		ladder = append(ladder, Retransmission().From(client).Lost())
	}
	return ladder
}

// expectedLinear is how many copies of a SYN the release sends a second apart before the interval doubles.
func expectedLinear() int {
	if Expected() == "linear" {
		return 4
	}
	return 0
}

var _ = Story("open", func() {
	It("repeats the SYN as the release is documented to, and gives up",
		Claim("open/syn-ladder"), SpecPriority(8), func(ctx SpecContext) {
			client, server := Pair(ctx)
			model := client.Handshake()
			if AsShipped() {
				model.Linear = expectedLinear()
				Expect(client.Handshake().Linear).To(Equal(model.Linear), "tcp_syn_linear_timeouts")
			}
			expectConnectGivenUp(ctx, client, server, model)
		})

	It("doubles from the first copy on where tcp_syn_linear_timeouts is 0, as every kernel once did",
		Claim("open/syn-ladder-not-linear"), SpecPriority(8), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_syn_linear_timeouts", 0)
			model := client.Handshake()
			model.Linear = 0
			expectConnectGivenUp(ctx, client, server, model)
		})

	It("repeats the SYN for two minutes and some by the kernel's defaults",
		Claim("open/syn-default-lifetime"), SpecPriority(132), func(ctx SpecContext) {
			client, server := Pair(ctx)
			model := client.Handshake()
			model.Linear = expectedLinear()
			Expect(model.Retries).To(Equal(6), "tcp_syn_retries")
			after := expectConnectGivenUp(ctx, client, server, model)
			Expect(after).To(BeNumerically("<", 3*time.Minute), "what RFC 9293 asks for")
		})

	It("repeats the SYN for longer than three minutes with one retry more than the default",
		Claim("open/syn-retries-7-three-minutes"), SpecPriority(260), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_syn_retries", 7)
			after := expectConnectGivenUp(ctx, client, server, client.Handshake())
			Expect(after).To(BeNumerically(">=", 3*time.Minute))
		})

	It("repeats the SYN as often as the socket says",
		Claim("open/syncnt"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			model := client.Handshake()
			Expect(model.Retries).NotTo(Equal(1), "tcp_syn_retries")
			model.Retries = 1
			expectConnectGivenUp(ctx, client, server, model, process.SockOpt(unix.IPPROTO_TCP, unix.TCP_SYNCNT, 1))
		})

	It("repeats the SYN-ACK for a client that has died, and drops the request without a word",
		Claim("open/synack-ladder"), SpecPriority(8), func(ctx SpecContext) {
			client, server := Pair(ctx)
			expectRequestDropped(ctx, client, server)
		})

	It("repeats the SYN-ACK for a minute by the kernel's defaults",
		Claim("open/synack-default-lifetime"), SpecPriority(64), func(ctx SpecContext) {
			client, server := Pair(ctx)
			Expect(server.Timeouts().SynackRetries).To(Equal(5), "tcp_synack_retries")
			expectRequestDropped(ctx, client, server)
		})
})
