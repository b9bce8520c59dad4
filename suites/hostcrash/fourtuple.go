package hostcrash

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// Only a client opens connections, so it is the client's host that crashes here: its old connection
// is half open on the server when the new one comes from the same port.
var _ = Story("host-crash", func() {
	It("meets the new SYN with an acknowledgement of the old connection",
		Claim("host-crash/four-tuple-challenge-ack"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			client.PowerOff()
			back := client.Reboot()
			client.StartProcess().StartDial(ctx, conn.Listener)

			syn := conn.Server.Sees(ctx, SYN().From(client).After(back))
			challenge := conn.Server.Sees(ctx, AnySegment().From(server).After(syn.At))
			Expect(conn.Server.Wire(ctx).Since(syn.At)).To(ShowInOrder(SYN().From(client), ChallengeACK().From(server)))
			Expect(challenge.RelAck).To(Equal(uint32(1)), "what it acknowledges is the old connection's")
			Expect(conn.Server.Counted("TCPChallengeACK")).To(Equal(1), "TCPChallengeACK")
			Observe("challenge_acks", conn.Server.Counted("TCPChallengeACK"))
		})

	It("is how a server that has nothing to send learns of the crash: its read(2) ends",
		Claim("host-crash/four-tuple-resets-old"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			reading := conn.Server.StartRead()
			died := client.PowerOff()
			back := client.Reboot()
			client.StartProcess().StartDial(ctx, conn.Listener)

			outcome := reading.Within(ctx, Soon)
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Expect(conn.Server.Wire(ctx).Since(back)).To(ShowInOrder(
				SYN().From(client), ChallengeACK().From(server), RST().From(client).Delivered()))
			Observe("detected_after", outcome.At-died)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	It("lets the SYN's first copy open the connection that the SYN itself could not",
		Claim("host-crash/four-tuple-new-connection"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			client.PowerOff()
			back := client.Reboot()
			again, outcome := client.StartProcess().TryDial(ctx, conn.Listener, Soon)
			Expect(outcome).To(GoThrough())
			accepted := conn.Listener.Accept(ctx)

			wire := conn.Server.Wire(ctx).Since(back)
			Expect(wire).To(ShowExactly(
				SYN().From(client), ChallengeACK().From(server), RST().From(client),
				Retransmission().From(client), SYNACK().From(server), HandshakeACK().From(client)))
			again.Write(ctx, "here I am again")
			Expect(accepted.Read(ctx)).To(Deliver("here I am again"))
			Expect(again.State()).To(Equal(socket.Established))
			Observe("syns", len(Either(SYN(), Retransmission()).From(client).In(wire)))
			Observe("state", again.State())
		})
})
