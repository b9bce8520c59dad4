package middlebox

import (
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

// loseTheEnd lets the client's process end while the router drops its FINs, waits until the client's
// kernel has given them up, and returns when the process died and when its connection was gone.
func loseTheEnd(ctx SpecContext, router *Router, conn *Connection) (died, gone time.Duration) {
	client, model := conn.Client, conn.Client.Orphan()
	died = client.Process.Kill().At
	first := client.SeesByTimeout(ctx, client.Retransmission(), 1)
	Expect(client.Snapshot().Orphaned()).To(BeTrue(), "no process holds it, its kernel does")
	gone = first.At + client.GoneIn(ctx, first.At, model.GoneBetween())

	Expect(client.Wire(ctx).Since(died)).To(ShowOnly(Either(FIN(), Retransmission()).From(client).DroppedBy(router)))
	return died, gone
}

var _ = Story("middlebox", func() {
	It("drops the FIN of a connection that it has forgotten, which leaves the server ESTABLISHED and its application reading",
		Claim("middlebox/fin-lost-server-established"), SpecPriority(4), func(ctx SpecContext) {
			client, router, server := RoutedPair(ctx)
			router.Firewall()
			conn := Connect(ctx, client, server)
			reading := conn.Server.StartRead()
			router.Forget(conn)
			died, gone := loseTheEnd(ctx, router, conn)

			Expect(router.Entry(conn).State).To(Equal(lab.NoEntry), "a FIN begins no entry, where data would")
			Expect(conn.Server.State()).To(Equal(socket.Established))
			Expect(conn.Server.Snapshot().Timer).To(Equal(socket.Timer{}), "no timer is armed")
			Expect(reading.Blocked(ctx)).To(BeTrue(), "read(2) still waits")
			Observe("expired_after", gone-died)
			Observe("state", conn.Server.State())
		})

	It("lets the client's connection vanish without a RST when tcp_orphan_retries is through",
		Claim("middlebox/fin-lost-orphan-vanishes"), SpecPriority(4), func(ctx SpecContext) {
			client, router, server := RoutedPair(ctx)
			conn := Connect(ctx, client, server)
			router.Swallow(client, lab.FINs)
			died, gone := loseTheEnd(ctx, router, conn)

			Expect(conn.Client.Counted("OutRsts")).To(BeZero(), "RSTs counted")
			Expect(conn.Client.Counted("TCPAbortOnTimeout")).To(Equal(1), "aborts counted")
			Expect(conn.Server.State()).To(Equal(socket.Established))
			Observe("expired_after", gone-died)
			Observe("other_state", conn.Server.State())
		})

	It("draws a RST with the server's next write, which is how the server learns",
		Claim("middlebox/fin-lost-write-rst"), SpecPriority(4), func(ctx SpecContext) {
			client, router, server := RoutedPair(ctx)
			conn := Connect(ctx, client, server)
			router.Swallow(client, lab.FINs)
			died, _ := loseTheEnd(ctx, router, conn)
			Expect(conn.Server.State()).To(Equal(socket.Established))

			written := conn.Server.Write(ctx, "still there?")
			outcome := conn.Server.Read(ctx)
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Expect(conn.Wire(ctx).Since(written)).To(ShowExactly(Data().From(server).Delivered(), RST().From(client).Delivered()))
			Expect(conn.Server.State()).To(Equal(socket.Gone))
			Observe("detected_after", outcome.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("unnoticed_for", outcome.At-died)
		})

	It("takes a FIN that is sent again for the other side's, and is about to forget the connection",
		Claim("middlebox/fin-again-last-ack"), SpecPriority(1), func(ctx SpecContext) {
			client, router, server := RoutedPairAsShipped(ctx)
			router.Firewall()
			timeouts := router.Conntrack()
			conn := Connect(ctx, client, server)
			server.Blackhole(client, lab.All)
			conn.Client.Shutdown(ctx)
			again := conn.Client.Sees(ctx, Retransmission().From(client).Delivered())
			Expect(again.Kind).To(Equal(wire.KindRetransmittedFIN))

			life := router.Life(ctx, conn)
			Expect(life.Entry.State).To(Equal(lab.EntryLastAck))
			Expect(life).To(BeSetTo(timeouts.LastAck))
			Expect(conn.Server.State()).To(Equal(socket.CloseWait), "its application has not closed")
			Observe("entry_state", life.Entry.State)
			Observe("entry_timeout", timeouts.LastAck)
		})
})
