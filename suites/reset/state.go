package reset

import (
	"context"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("reset", func() {
	It("refuses the connection, if it acknowledges the SYN",
		Claim("reset/syn-sent-refused"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			listener := server.StartProcess().Listen(ctx)
			client.Blackhole(server, lab.SYNs)
			caller := client.StartProcess()
			dialing := caller.StartDial(ctx, listener)
			forged := dialing.Forge(ctx, Forgery{Flags: wire.FlagRST | wire.FlagACK})

			_, outcome := dialing.Within(ctx, Soon)
			Expect(outcome).To(FailWith(unix.ECONNREFUSED))
			Expect(caller.WireTo(ctx, listener)).To(ShowExactly(SYN().From(client), RST().Forged()))
			Observe("detected_after", outcome.At-forged.At)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	for _, each := range []struct {
		name    string
		forgery Forgery
	}{
		{"acknowledges nothing", Forgery{Flags: wire.FlagRST}},
		{"acknowledges more than the SYN", Forgery{Flags: wire.FlagRST | wire.FlagACK, Ack: 1}},
		{"acknowledges less than the SYN", Forgery{Flags: wire.FlagRST | wire.FlagACK, Ack: -1}},
	} {
		It("refuses no connection, if it "+each.name,
			Claim("reset/syn-sent-unacceptable"), Case("%s", each.name), SpecPriority(1), func(ctx SpecContext) {
				client, server := Pair(ctx)
				listener := server.StartProcess().Listen(ctx)
				hole := client.Blackhole(server, lab.SYNs)
				caller := client.StartProcess()
				dialing := caller.StartDial(ctx, listener)
				forged := dialing.Forge(ctx, each.forgery)
				hole.Remove()

				end, outcome := dialing.Within(ctx, Soon)
				Expect(outcome).To(GoThrough())
				Expect(end.State()).To(Equal(socket.Established))
				Expect(caller.WireTo(ctx, listener).Since(forged.At)).To(ShowInOrder(
					RST().Forged(), Retransmission().From(client).Delivered(), SYNACK().From(server), HandshakeACK().From(client)))
				Observe("state", end.State())
			})
	}

	It("leaves EPIPE where the peer had closed already",
		Claim("reset/close-wait-epipe"), func(ctx SpecContext) {
			peer, target := connect(ctx)
			expectBrokenPipe(ctx, peer, target, exact)
		})

	It("leaves EPIPE where the peer had closed already, with the number of the FIN as well",
		Claim("reset/close-wait-fin-number"), func(ctx SpecContext) {
			peer, target := connect(ctx)
			expectBrokenPipe(ctx, peer, target, below)
		})
})

// expectBrokenPipe expects a RST with a number to end a connection whose peer has closed.
func expectBrokenPipe(ctx context.Context, peer, target *End, number int) {
	peer.Shutdown(ctx)
	Expect(target.Read(ctx)).To(ReachEOF())
	target.Sees(ctx, ACK().From(target).WithAck(2))
	Expect(target.State()).To(Equal(socket.CloseWait))
	forged := target.Forge(ctx, Forgery{Flags: wire.FlagRST, Seq: number})

	target.Reaches(ctx, socket.Gone)
	errno := target.PendingError(ctx)
	Expect(errno).To(Equal(unix.EPIPE))
	Expect(target.TryWrite(ctx, "hello?")).To(FailWith(unix.EPIPE))
	Expect(target.Wire(ctx).Since(forged.At)).To(ShowExactly(RST().Forged()))
	Observe("errno", unix.ErrnoName(errno))
}

// closed is a port of the lab on which nobody listens.
const closed = 7777

var _ = Story("reset", func() {
	It("is what a segment for no connection draws, with the number that the segment acknowledges",
		Claim("reset/no-connection-with-ack"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			forged := server.ForgeFrom(ctx, client, closed, lab.Forged{Flags: wire.FlagACK | wire.FlagPSH, Seq: 1000, Ack: 5000, Payload: []byte("hello?")})
			drawn := server.SeesOf(ctx, forged, AnySegment().From(server))

			Expect(drawn.Flags).To(Equal(wire.FlagRST))
			Expect(drawn.Seq).To(BeEquivalentTo(5000))
			Observe("rst_after", drawn.At-forged.At)
		})

	It("is what a segment for no connection draws, acknowledging it where it acknowledges nothing",
		Claim("reset/no-connection-without-ack"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			forged := server.ForgeFrom(ctx, client, closed, lab.Forged{Flags: wire.FlagSYN, Seq: 1000})
			drawn := server.SeesOf(ctx, forged, AnySegment().From(server))

			Expect(drawn.Flags).To(Equal(wire.FlagRST | wire.FlagACK))
			Expect(drawn.Seq).To(BeZero())
			Expect(drawn.Ack).To(BeEquivalentTo(1001), "behind the SYN")
			Observe("rst_after", drawn.At-forged.At)
		})

	It("draws no RST: a RST for no connection is met with silence",
		Claim("reset/no-connection-rst"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			forged := server.ForgeFrom(ctx, client, closed, lab.Forged{Flags: wire.FlagRST | wire.FlagACK, Seq: 1000, Ack: 5000})
			// What comes behind it and is answered shows that it was there in time, and was not.
			behind := server.ForgeFrom(ctx, client, closed, lab.Forged{Flags: wire.FlagACK, Seq: 1000, Ack: 6000})
			drawn := server.SeesOf(ctx, behind, AnySegment().From(server))

			Expect(drawn.Seq).To(BeEquivalentTo(6000))
			Expect(server.WireOf(ctx, forged)).To(ShowExactly(RST().Forged().Delivered(), AnySegment().Forged().Delivered(), RST().From(server)))
			Observe("resets", len(RST().From(server).In(server.WireOf(ctx, forged))))
		})

	It("is how a host disowns the SYN that an old duplicate made in its name, and the listener is as before",
		Claim("reset/old-duplicate-syn"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			listener := server.StartProcess().Listen(ctx)
			caller := client.StartProcess()
			forged := listener.ForgeCall(ctx, client, lab.Forged{Flags: wire.FlagSYN, Seq: 90})
			client.SeesOf(ctx, forged, RST().From(client).Delivered())

			old := caller.WireTo(ctx, listener).Since(forged.At)
			Expect(old).To(ShowExactly(SYN().Forged().Delivered(), SYNACK().From(server).Delivered(), RST().From(client).Delivered()))
			synack, rst := old.Segments()[1], old.Segments()[2]
			Expect(synack.Ack).To(BeEquivalentTo(91))
			Expect(rst.Seq).To(Equal(synack.Ack), "believable to the listener")
			Expect(caller.Connect(ctx, listener).Server.State()).To(Equal(socket.Established), "the same port is free for a SYN that is new")
			Expect(server.Counter("EmbryonicRsts")).To(Equal(1), "RSTs that ended what a SYN had begun")
			Observe("rst_after", rst.At-forged.At)
		})
})
