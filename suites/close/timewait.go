package close

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// closeInOrder closes both ends, the closer's first, and returns when the closer entered TIME_WAIT.
func closeInOrder(ctx context.Context, closer, peer *End) (entered time.Duration) {
	closer.Close(ctx)
	closer.SeesFinAcknowledged(ctx)
	peer.Close(ctx)
	fin := closer.Sees(ctx, FIN().From(peer).Delivered())
	closer.Reaches(ctx, socket.TimeWait)
	peer.Reaches(ctx, socket.Gone)
	return fin.DeliveredAt
}

var _ = Story("close", func() {
	It("remembers the connection for a minute and not longer, whatever tcp_fin_timeout is",
		Claim("close/time-wait-60-seconds"), SpecPriority(62), func(ctx SpecContext) {
			client, server := Pair(ctx)
			server.SetSysctl("net.ipv4.tcp_fin_timeout", 5)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)

			entered := closeInOrder(ctx, closer, peer)
			gone := closer.GoneIn(ctx, entered, closer.TimeWait().Gone())

			Expect(closer.Wire(ctx).Since(entered)).To(ShowExactly(ACK().From(closer)), "nothing but the last acknowledgement")
			Observe("expired_after", gone)
			Observe("fin_timeout", closer.Timeouts().FinTimeout)
		})

	for _, timeout := range []int{1, 120} {
		It(fmt.Sprintf("arms 60 s for TIME_WAIT with a tcp_fin_timeout of %d s", timeout),
			Claim("close/time-wait-not-fin-timeout"), Case("tcp_fin_timeout=%d", timeout), func(ctx SpecContext) {
				client, server := Pair(ctx)
				server.SetSysctl("net.ipv4.tcp_fin_timeout", timeout)
				closer, peer := Connect(ctx, client, server).Split(ServerBreaks)

				entered := closeInOrder(ctx, closer, peer)

				now := closer.Snapshot()
				Expect(now.Timer.Kind).To(Equal(socket.TimeWaitTimer))
				Expect(now.Timer.Expires).To(FallIn(closer.TimeWait().Armed(now.At - entered)))
				Observe("timer_expires", now.Timer.Expires)
				Observe("fin_timeout", closer.Timeouts().FinTimeout)
			})
	}

	It("acknowledges the peer's FIN again when it comes again, and waits from then on",
		Claim("close/time-wait-fin-again"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			closer.Close(ctx)
			closer.SeesFinAcknowledged(ctx)

			hole := closer.Host.Blackhole(peer.Host, lab.ACKs) // the last acknowledgement of the close is lost
			peer.Close(ctx)
			first := closer.Sees(ctx, FIN().From(peer).Delivered())
			closer.Sees(ctx, ACK().From(closer).After(first.At))
			hole.Remove()
			second := closer.Sees(ctx, Retransmission().From(peer).Delivered())
			closer.Sees(ctx, ACK().From(closer).After(second.At).Delivered())
			peer.Reaches(ctx, socket.Gone)

			now := closer.Snapshot()
			Expect(now.State).To(Equal(socket.TimeWait))
			Expect(now.Timer.Expires).To(FallIn(closer.TimeWait().Armed(now.At - second.DeliveredAt)))
			Expect(closer.Wire(ctx).Since(first.At)).To(ShowExactly(
				FIN().From(peer), ACK().From(closer).Lost(), Retransmission().From(peer), ACK().From(closer).Delivered()))
			Observe("first_retransmission_after", second.At-first.At)
			Observe("timer_expires", now.Timer.Expires)
		})

	It("opens a new connection from the same port at the first SYN, with numbers beyond the old one's",
		Claim("close/time-wait-reopened"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			entered := closeInOrder(ctx, conn.Server, conn.Client)
			former := conn.Server.Sees(ctx, FIN().From(server))

			again := client.StartProcess().Connect(ctx, conn.Listener)

			Expect(again.Server.State()).To(Equal(socket.Established))
			Expect(again.Wire(ctx).Since(entered)).To(ShowExactly(ACK().From(server),
				SYN().From(client), SYNACK().From(server), HandshakeACK().From(client)))
			answer := again.Server.Sees(ctx, SYNACK().From(server).After(entered))
			Expect(int32(answer.Seq-former.Seq)).To(BeNumerically(">", 0), "the new initial sequence number, from the old FIN's")
			again.Client.Write(ctx, "here I am again")
			Expect(again.Server.Read(ctx)).To(Deliver("here I am again"))
			Observe("syns", len(SYN().In(again.Wire(ctx).Since(entered))))
			Observe("state", again.Server.State())
		})

	It("acknowledges the old connection to a SYN of before, which makes the other host say that there is none",
		Claim("close/time-wait-old-syn"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			closeInOrder(ctx, conn.Server, conn.Client)
			syn := conn.Server.Sees(ctx, SYN())

			late := conn.Server.Hears(ctx, syn)

			conn.Server.Sees(ctx, RST().From(client).Delivered())
			Expect(conn.Wire(ctx).Since(late)).To(ShowExactly(ACK().From(server).WithAck(2), RST().From(client)))
			Expect(conn.Listener.Unaccepted()).To(BeZero())
			Expect(conn.Server.State()).To(Equal(socket.Gone))
			Observe("state", conn.Server.State())
		})

	It("opens a new connection at a SYN whose number is old and whose timestamp is not",
		Claim("close/time-wait-timestamps"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			closeInOrder(ctx, conn.Server, conn.Client)
			const before, later = -100, -1000

			late := conn.Server.Forge(ctx, Forgery{Flags: wire.FlagSYN, Seq: before, Aged: later})

			answer := conn.Server.Sees(ctx, SYNACK().From(server).After(late.At))
			Expect(answer.Ack).To(Equal(late.Seq + 1))
			Expect(conn.Wire(ctx).Since(late.At)).To(ShowNone(ACK().From(server)), "no acknowledgement of the old connection")
			Observe("synacks", 1)
		})

	for _, each := range []struct {
		claim, text string
		rfc1337     int
		left        socket.State
	}{
		{"close/time-wait-assassinated", "forgets the connection at once when a RST comes", 0, socket.Gone},
		{"close/time-wait-rfc1337", "does not mind a RST where tcp_rfc1337 is set", 1, socket.TimeWait},
	} {
		It(each.text, Claim(each.claim), func(ctx SpecContext) {
			client, server := Pair(ctx)
			server.SetSysctl("net.ipv4.tcp_rfc1337", each.rfc1337)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			closeInOrder(ctx, closer, peer)

			closer.ForgeReset(ctx)

			closer.Sees(ctx, RST().Delivered())
			Expect(closer.State()).To(Equal(each.left))
			Observe("state", each.left)
		})
	}

	It("gives the port away a second later, to a connection that its timestamps tell from the old one",
		Claim("close/time-wait-reuse"), SpecPriority(1), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_tw_reuse", 1)
			caller, listener, entered := timeWaitOnTheOnlyPort(ctx, client, server)
			Elapse(ctx, timeWaitReuse)

			again, outcome := caller.TryDialUnbound(ctx, listener, Soon)

			Expect(outcome).To(GoThrough())
			Expect(again.State()).To(Equal(socket.Established))
			Expect(again.Wire(ctx).Since(entered)).To(ShowInOrder(
				SYN().From(client).OfConnection(2), SYNACK().From(server), HandshakeACK().From(client)))
			accepted := listener.Accept(ctx)
			again.Write(ctx, "here I am again")
			Expect(accepted.Read(ctx)).To(Deliver("here I am again"))
			Observe("state", again.State())
		})

	for _, reuse := range []int{0, 2} {
		It(fmt.Sprintf("keeps the port from every new connection to the same peer with tcp_tw_reuse at %d", reuse),
			Claim("close/time-wait-no-reuse"), Case("tcp_tw_reuse=%d", reuse), SpecPriority(1), func(ctx SpecContext) {
				client, server := Pair(ctx)
				client.SetSysctl("net.ipv4.tcp_tw_reuse", reuse)
				caller, listener, entered := timeWaitOnTheOnlyPort(ctx, client, server)
				Elapse(ctx, timeWaitReuse)

				_, outcome := caller.TryDialUnbound(ctx, listener, Soon)

				Expect(outcome).To(FailWith(unix.EADDRNOTAVAIL))
				Expect(caller.WireTo(ctx, listener).Since(entered)).To(ShowNone(SYN()))
				Observe("errno", unix.ErrnoName(outcome.Errno))
			})
	}
})

// timeWaitReuse is when tcp_tw_reuse first allows a port to be used again: one second, which is
// tcp_tw_reuse_delay and must be over; before that sysctl, the second in which the last timestamp
// came must be over (tcp_twsk_unique).
const timeWaitReuse = time.Second + 2*time.Millisecond

// timeWaitOnTheOnlyPort leaves the client's host with a connection in TIME_WAIT on the only port that
// it has to offer.
func timeWaitOnTheOnlyPort(ctx context.Context, client, server *Host) (caller *Process, listener *Listener, entered time.Duration) {
	client.OfferOnePort()
	listener, caller = server.StartProcess().Listen(ctx), client.StartProcess()
	first, outcome := caller.TryDialUnbound(ctx, listener, Soon)
	Expect(outcome).To(GoThrough())
	entered = closeInOrder(ctx, first, listener.Accept(ctx))
	return caller, listener, entered
}
