package open

import (
	"context"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// dieAfterSYN lets the client's host die when its SYN has arrived and the answer has not.
func dieAfterSYN(ctx context.Context, client, server *Host) (listener *Listener, dead *Dialing, answers *Filter) {
	listener = server.StartProcess().Listen(ctx)
	server.PinNeighbour(client) // or the SYN-ACKs would wait for address resolution
	answers = server.Blackhole(client, lab.All)
	dead = client.StartProcess().StartDial(ctx, listener)
	dead.Sees(ctx, Soon, SYNACK().From(server))
	client.PowerOff()
	return listener, dead, answers
}

// expectRequestDropped lets the client die, and expects the SYN-ACKs and the end of the request when the
// model of the server has them.
func expectRequestDropped(ctx context.Context, client, server *Host) {
	model := server.HandshakeReply()
	listener, dead, hole := dieAfterSYN(ctx, client, server)
	hole.Remove() // the host is off
	intervals := model.Intervals()
	patience := model.Gone().Ceiling + Soon
	last := dead.Sees(ctx, patience, Either(SYNACK(), Retransmission()).From(server).Copy(model.Retries))
	gone := dead.RequestGoneIn(ctx, last.At, intervals[model.Retries])

	handshake := dead.Wire(ctx)
	expected := []Predicate{SYN().From(client), SYNACK().From(server).Lost()}
	for range model.Retries {
		expected = append(expected, Retransmission().From(server).Lost())
	}
	Expect(handshake).To(ShowExactly(expected...))
	answers := AnySegment().From(server)
	Expect(handshake).To(GapsBetween(answers, OnRealClock(intervals[:model.Retries])...))
	began := answers.In(handshake)[0].At
	Expect(last.At + gone - began).To(BeNumerically(">=", model.Gone().Floor))
	Expect(listener.Unaccepted()).To(BeZero())
	Observe("expired_after", last.At+gone-began)
	Observe("synacks", model.Retries+1)
	Observe("synack_retries", model.Retries)
}

var _ = Story("open", func() {
	It("shows a request without a process, which accept(2) cannot see",
		Claim("open/request-not-accepted"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			listener, dead, _ := dieAfterSYN(ctx, client, server)

			request := dead.Request()
			Expect(request.State).To(Equal(socket.SynRecv))
			Expect(request.Inode).To(BeZero())
			Expect(request.Timer.Kind).To(Equal(socket.Retransmission))
			Expect(listener.Unaccepted()).To(BeZero())
			Observe("state", request.State)
			Observe("timer", request.Timer.Kind)
			Observe("inode", request.Inode)
		})

	It("forgets the request when the client's host is back and knows nothing of it",
		Claim("open/rebooted-client-resets-request"), SpecPriority(1), func(ctx SpecContext) {
			client, server := Pair(ctx)
			_, dead, answers := dieAfterSYN(ctx, client, server)
			client.Reboot()
			answers.Remove()

			rst := dead.Sees(ctx, Soon, RST().From(client).Delivered())
			dead.Reaches(ctx, socket.Gone)

			handshake := dead.Wire(ctx)
			Expect(handshake).To(ShowExactly(SYN().From(client), SYNACK().From(server).Lost(),
				Retransmission().From(server).Delivered(), RST().From(client)))
			copied := Retransmission().In(handshake)[0]
			Expect(copied.At - SYNACK().In(handshake)[0].At).To(FallIn(server.HandshakeReply().Intervals()[0]))
			Observe("rst_after", rst.At-copied.At)
		})

	It("leaves the client ESTABLISHED with a server that died before the last segment of the handshake",
		Claim("open/server-dies-unnoticed"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			listener := server.StartProcess().Listen(ctx)
			client.Blackhole(server, lab.ACKs)
			end := client.StartProcess().Dial(ctx, listener)
			end.Sees(ctx, HandshakeACK().From(client))
			Expect(listener.Unaccepted()).To(BeZero(), "the server has no connection yet")
			reading := end.StartRead()

			died := server.PowerOff()

			Expect(end.State()).To(Equal(socket.Established))
			Expect(end.Snapshot().Timer.Kind).To(Equal(socket.NoTimer))
			Expect(reading.Blocked(ctx)).To(BeTrue(), "read(2) waits")
			Expect(end.Wire(ctx).Since(died)).To(ShowNone(AnySegment()))
			Observe("state", end.State())
			Observe("timer", socket.NoTimer)
		})

	It("is refused at the next SYN when the server's host is back and its service is not",
		Claim("open/rebooted-server-refuses"), SpecPriority(1), func(ctx SpecContext) {
			client, server := Pair(ctx)
			listener := server.StartProcess().Listen(ctx)
			client.PinNeighbour(server)
			server.PowerOff()
			dialing := client.StartProcess().StartDial(ctx, listener)
			dialing.Sees(ctx, Soon, SYN().From(client))
			server.Reboot()

			_, outcome := dialing.Within(ctx, Soon)

			Expect(outcome).To(FailWith(unix.ECONNREFUSED))
			handshake := dialing.Wire(ctx)
			Expect(handshake).To(ShowExactly(SYN().From(client).Lost(), Retransmission().From(client).Delivered(), RST().From(server)))
			sent := handshake.Segments()
			Expect(sent[1].At - sent[0].At).To(FallIn(client.Handshake().Intervals(1)[0]))
			Observe("detected_after", outcome.At-sent[0].At)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	It("is connected by the next SYN when the server's host is back with its service",
		Claim("open/rebooted-server-accepts"), SpecPriority(1), func(ctx SpecContext) {
			client, server := Pair(ctx)
			listener := server.StartProcess().Listen(ctx)
			client.PinNeighbour(server)
			server.PowerOff()
			dialing := client.StartProcess().StartDial(ctx, listener)
			first := dialing.Sees(ctx, Soon, SYN().From(client))
			server.RebootListening(ctx)

			end, outcome := dialing.Within(ctx, Soon)

			Expect(outcome).To(GoThrough())
			Expect(end.State()).To(Equal(socket.Established))
			Expect(dialing.Wire(ctx)).To(ShowExactly(SYN().From(client).Lost(),
				Retransmission().From(client).Delivered(), SYNACK().From(server), HandshakeACK().From(client)))
			Observe("connected_after", outcome.At-first.At)
			Observe("state", end.State())
		})

	It("ends without a segment when the application closes the socket that is connecting",
		Claim("open/close-while-connecting"), SpecPriority(2), func(ctx SpecContext) {
			client, server := Pair(ctx)
			listener := server.StartProcess().Listen(ctx)
			client.PinNeighbour(server)
			client.Blackhole(server, lab.SYNs)
			dialing := client.StartProcess().StartDial(ctx, listener)
			dialing.Sees(ctx, Soon, SYN().From(client))
			Expect(dialing.State()).To(Equal(socket.SynSent))

			closed := dialing.Close(ctx)

			Expect(dialing.State()).To(Equal(socket.Gone))
			next := client.Handshake().Intervals(1)[0]
			Elapse(ctx, next.Ceiling) // in which the SYN would have come again
			Expect(dialing.Wire(ctx).Since(closed)).To(ShowNone(AnySegment()))
			Observe("silent_for", next.Ceiling)
			Observe("state", socket.Gone)
		})
})
