package middlebox

import (
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// shipped is how the kernel tracks TCP where nobody has set anything (tcp_timeouts).
var shipped = kernel.Conntrack{
	SynSent: 2 * time.Minute, SynRecv: time.Minute, Established: 5 * 24 * time.Hour,
	FinWait: 2 * time.Minute, CloseWait: time.Minute, LastAck: 30 * time.Second,
	TimeWait: 2 * time.Minute, Close: 10 * time.Second,
	MaxRetransTimeout: 5 * time.Minute, Unacknowledged: 5 * time.Minute,
	MaxRetrans: 3, Loose: true, BeLiberal: false,
}

var _ = Story("middlebox", func() {
	It("keeps an idle connection for five days and a closed one for ten seconds, as it is shipped",
		Claim("middlebox/shipped-timeouts"), SpecPriority(1), func(ctx SpecContext) {
			client, router, server := RoutedPairAsShipped(ctx)
			router.Firewall()
			conn := Connect(ctx, client, server)
			Expect(router.Conntrack()).To(Equal(shipped))
			life := router.Life(ctx, conn)
			Expect(life.Entry.State).To(Equal(lab.EntryEstablished))
			Expect(life).To(BeSetTo(shipped.Established))
			Elapse(ctx, time.Second)
			Expect(router.Life(ctx, conn)).To(BeSetTo(shipped.Established), "and its time passes")
			Expect(shipped.Established).To(BeNumerically(">=", LeastNATTimeout), "RFC 5382 REQ-5")
			Observe("entry_timeout", shipped.Established)
		})

	It("forgets an idle connection when its time is over, and tells neither end",
		Claim("middlebox/idle-entry-expires"), SpecPriority(2), func(ctx SpecContext) {
			client, router, server := RoutedPair(ctx)
			router.Firewall()
			timeout := router.ForgetIdleSoon()
			conn := Connect(ctx, client, server)
			reading := conn.Server.StartRead()
			Expect(router.Life(ctx, conn)).To(BeSetTo(timeout))

			expired := router.Expire(ctx, conn, timeout)
			Expect(conn.Wire(ctx)).To(ShowExactly(SYN().From(client), SYNACK().From(server), HandshakeACK().From(client)))
			Expect(conn.Client.State()).To(Equal(socket.Established))
			Expect(conn.Server.State()).To(Equal(socket.Established))
			Expect(reading.Blocked(ctx)).To(BeTrue(), "read(2) still waits")
			Observe("expired_after", expired)
			Observe("entry_timeout", timeout)
			Observe("state", conn.Client.State())
			Observe("other_state", conn.Server.State())
		})

	It("does the same with data after an entry was deleted as after it has expired",
		Claim("middlebox/deleted-like-expired"), SpecPriority(2), func(ctx SpecContext) {
			client, router, server := RoutedPair(ctx)
			router.Firewall()
			timeout := router.ForgetIdleSoon()
			conn := Connect(ctx, client, server)
			exchange := func() *wire.Conversation {
				written := conn.Client.Write(ctx, "still there?")
				Expect(conn.Server.Read(ctx)).To(Deliver("still there?"))
				conn.Client.Acknowledged(ctx)
				Expect(router.Life(ctx, conn)).To(BeSetTo(afterPickup(router)))
				return conn.Wire(ctx).Since(written)
			}
			pickedUp := []Predicate{Data().From(client).Delivered(), ACK().From(server).Delivered()}

			expired := router.Expire(ctx, conn, timeout)
			Expect(exchange()).To(ShowExactly(pickedUp...), "after the expiry")
			router.Forget(conn)
			Expect(router.Entry(conn).State).To(Equal(lab.NoEntry))
			Expect(exchange()).To(ShowExactly(pickedUp...), "after the deletion")

			// Nor is there a difference where the router does not pick up.
			router.KnowsNoPickup()
			router.Forget(conn)
			written := conn.Client.Write(ctx, "and now?")
			conn.Client.Sees(ctx, Retransmission().From(client).After(written))
			Expect(conn.Wire(ctx).Since(written)).To(ShowOnly(AnySegment().From(client).DroppedBy(router)))
			Observe("expired_after", expired)
		})
})
