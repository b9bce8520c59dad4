package retransmission

import (
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/process"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("retransmission", func() {
	const userTimeout = time.Second
	for _, each := range []struct {
		name   string
		adjust func(*Host)
	}{
		{"shorter than tcp_retries2 stands for", func(*Host) {}},
		{"longer than tcp_retries2 stands for", func(host *Host) { host.SetSysctl("net.ipv4.tcp_retries2", 0) }},
	} {
		It("gives up a second after the first timeout's copy when the application asked for a second, "+each.name,
			Claim("retransmission/user-timeout-data"), Case("%s", each.name), SpecPriority(1), func(ctx SpecContext) {
				client, server := Pair(ctx)
				each.adjust(client)
				broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
				survivor.UserTimeout(ctx, userTimeout)
				model := survivor.Retransmission()
				model.UserTimeout = userTimeout

				survivor.Host.Blackhole(broken.Host, lab.All)
				written := survivor.Write(ctx, "are you there?")
				outcome := survivor.StartRead().Within(ctx, model.AbortAfterWrite().Ceiling+Soon)

				Expect(outcome).To(FailWith(unix.ETIMEDOUT))
				expectAbort(ctx, survivor, model, written, outcome.At)
				Observe("errno", unix.ErrnoName(outcome.Errno))
				Observe("user_timeout", userTimeout)
				Observe("retries2", model.Retries2)
			})
	}

	It("fails connect(2) after a second and a half when the application asked for that",
		Claim("retransmission/user-timeout-syn"), Case("shorter than the count"), SpecPriority(2), func(ctx SpecContext) {
			client, server := Pair(ctx)
			expectConnectGivenUp(ctx, client, server, UserTimeoutInProfile(1500*time.Millisecond, 1500*time.Millisecond))
		})

	It("fails connect(2) when the SYNs are used up, although the application asked for more time",
		Claim("retransmission/user-timeout-syn"), Case("longer than the count"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_syn_retries", 1)
			if client.Has("tcp_syn_linear_timeouts") {
				client.SetSysctl("net.ipv4.tcp_syn_linear_timeouts", 0)
			}
			expectConnectGivenUp(ctx, client, server, 10*time.Second)
		})
})

// expectConnectGivenUp connects through a path that loses every SYN.
func expectConnectGivenUp(ctx SpecContext, client, server *Host, userTimeout time.Duration) {
	model := client.Handshake()
	model.UserTimeout = userTimeout
	listener := server.StartProcess().Listen(ctx)
	caller := client.StartProcess()

	client.PinNeighbour(server) // so that the SYN leaves when the clock starts, with tcp_connect
	client.Blackhole(server, lab.SYNs)
	_, outcome := caller.TryDial(ctx, listener, model.Abort().Ceiling+Soon,
		process.SockOpt(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds())))

	Expect(outcome).To(FailWith(unix.ETIMEDOUT))
	connecting := caller.WireTo(ctx, listener)
	Expect(connecting).To(ShowInOrder(SYN().From(client)))
	began := connecting.Segments()[0].At
	Expect(outcome.At - began).To(FallIn(model.Abort()))
	least, most := model.SendsRange()
	Expect(len(connecting.Segments())).To(And(BeNumerically(">=", least), BeNumerically("<=", most)), "SYNs")
	syns := []Predicate{SYN().From(client).Lost()}
	for len(syns) < len(connecting.Segments()) {
		syns = append(syns, Retransmission().From(client).Lost())
	}
	Expect(connecting).To(ShowExactly(syns...))
	Observe("aborted_after", outcome.At-began)
	Observe("errno", unix.ErrnoName(outcome.Errno))
	Observe("user_timeout", userTimeout)
	Observe("syns", len(syns))
}
