package open

import (
	"context"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// lateForTheQueue is a connection whose client takes it for established, while the listener's queue has
// become full before the last segment of the handshake arrived.
func lateForTheQueue(ctx context.Context, client, server *Host) (late *End, dialing *Dialing, listener *Listener) {
	const backlog = 2
	listener = server.StartProcess().ListenWithBacklog(ctx, backlog)
	caller := client.StartProcess()
	client.Blackhole(server, lab.ACKs)
	dialing = caller.StartDial(ctx, listener)
	late, outcome := dialing.Within(ctx, Soon)
	Expect(outcome).To(GoThrough())
	Expect(dialing.Request().State).To(Equal(socket.SynRecv))
	caller.Crowd(ctx, listener, backlog+1)
	return late, dialing, listener
}

var _ = Story("open", func() {
	It("lets the SYN go unanswered until the application has accepted another connection",
		Claim("open/accept-queue-full-drops-syn"), SpecPriority(1), func(ctx SpecContext) {
			client, server := Pair(ctx)
			const backlog = 1
			listener := server.StartProcess().ListenWithBacklog(ctx, backlog)
			caller := client.StartProcess()
			caller.Crowd(ctx, listener, backlog+1)
			overflows := server.Counter("ListenOverflows")

			dialing := caller.StartDial(ctx, listener)
			syn := dialing.Sees(ctx, Soon, SYN().From(client).Delivered())
			Elapse(ctx, timing.InitialRTO/2)
			Expect(dialing.Wire(ctx).Since(syn.At)).To(ShowNone(AnySegment().From(server)))
			Expect(dialing.State()).To(Equal(socket.SynSent))
			Expect(server.Counter("ListenOverflows")).To(BeNumerically(">", overflows), "ListenOverflows")
			asked := mono.Now()
			listener.Accept(ctx)

			end, outcome := dialing.Within(ctx, Soon)
			Expect(outcome).To(GoThrough())
			Expect(end.State()).To(Equal(socket.Established))
			wire := dialing.Wire(ctx)
			Expect(wire.Since(asked)).To(ShowExactly(
				Retransmission().From(client), SYNACK().From(server), HandshakeACK().From(client)))
			Expect(wire).To(ShowTimes(1, SYNACK()))
			Observe("connected_after", outcome.At-syn.At)
			Observe("listen_overflows", server.Counter("ListenOverflows")-overflows)
		})

	It("takes no notice of what the client sends on it, until the application has accepted another connection",
		Claim("open/accept-queue-full-drops-ack"), SpecPriority(2), func(ctx SpecContext) {
			client, server := Pair(ctx)
			late, dialing, listener := lateForTheQueue(ctx, client, server)
			overflows := server.Counter("ListenOverflows")

			written := late.Write(ctx, "hello")
			late.Sees(ctx, Retransmission().From(client).After(written).Delivered())

			Expect(late.State()).To(Equal(socket.Established))
			Expect(dialing.Request().State).To(Equal(socket.SynRecv))
			Expect(server.Counter("ListenOverflows")).To(BeNumerically(">", overflows), "ListenOverflows")
			Expect(late.Wire(ctx).Since(written)).To(ShowOnly(
				Data().From(client), Retransmission(), Either(ACK(), DuplicateACK()).From(client)))
			for range 3 {
				listener.Accept(ctx)
			}
			accepted := listener.Accept(ctx)
			Expect(accepted.Read(ctx)).To(Deliver("hello"))
			Observe("state", socket.Established)
			Observe("other_state", socket.SynRecv)
		})

	It("tells the client so with a RST where tcp_abort_on_overflow is set",
		Claim("open/abort-on-overflow"), SpecPriority(1), func(ctx SpecContext) {
			client, server := Pair(ctx)
			server.SetSysctl("net.ipv4.tcp_abort_on_overflow", 1)
			late, dialing, _ := lateForTheQueue(ctx, client, server)
			reading := late.StartRead()

			written := late.Write(ctx, "hello")

			outcome := reading.Within(ctx, Soon)
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			rst := late.Sees(ctx, RST().From(server).Delivered())
			Expect(late.Wire(ctx).Since(written)).To(ShowInOrder(Data().From(client), RST().From(server)))
			Expect(dialing.Request().State).To(Equal(socket.Gone))
			Observe("rst_after", rst.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})
})
