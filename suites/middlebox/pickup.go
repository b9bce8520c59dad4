package middlebox

import (
	"context"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// itOnceForgotten is a spec for each way in which a router comes to know nothing of a connection that
// both ends think they have.
func itOnceForgotten(text, claim string, seconds int, set func(*Router), body func(ctx SpecContext, router *Router, conn *Connection)) {
	for _, way := range []struct {
		name   string
		forget func(context.Context, *Router, *Connection, time.Duration)
	}{
		{"expired", func(ctx context.Context, r *Router, c *Connection, timeout time.Duration) { r.Expire(ctx, c, timeout) }},
		{"deleted", func(_ context.Context, r *Router, c *Connection, _ time.Duration) { r.Forget(c) }},
	} {
		It(text+", once the entry is "+way.name, Claim(claim), Case("%s", way.name), SpecPriority(seconds+2), func(ctx SpecContext) {
			client, router, server := RoutedPair(ctx)
			set(router)
			timeout := router.ForgetIdleSoon()
			conn := Connect(ctx, client, server)
			way.forget(ctx, router, conn, timeout)
			body(ctx, router, conn)
		})
	}
}

// afterPickup is how long the router keeps a connection that it has picked up when the other side has answered
// once: until then, and for so long, it is kept like one with unacknowledged data.
func afterPickup(router *Router) time.Duration {
	timeouts := router.Conntrack()
	return min(timeouts.Established, timeouts.Unacknowledged)
}

// loseInTheMiddle lets one end write what the router drops, and expects that its kernel gives the
// connection up by its own timeout and that the other end is told nothing.
func loseInTheMiddle(ctx context.Context, router *Router, writer, other *End) {
	model, reading, waiting := writer.Retransmission(), writer.StartRead(), other.StartRead()
	written := writer.Write(ctx, "still there?")
	first := writer.SeesByTimeout(ctx, model, 1)
	aborted := reading.Within(ctx, model.AbortAfterWrite().Ceiling+Soon)

	Expect(aborted).To(FailWith(unix.ETIMEDOUT))
	Expect(aborted.At - first.At).To(FallIn(model.AbortBetween()))
	lost := writer.Wire(ctx).Since(written)
	Expect(lost).To(ShowOnly(Either(Data(), Retransmission()).From(writer).DroppedBy(router)))
	Expect(writer.State()).To(Equal(socket.Gone))
	Expect(other.State()).To(Equal(socket.Established))
	Expect(waiting.Blocked(ctx)).To(BeTrue(), "nobody has told the other side")
	Observe("aborted_after", aborted.At-written)
	Observe("errno", unix.ErrnoName(aborted.Errno))
	Observe("dropped", len(lost.Segments()))
	Observe("other_state", other.State())
}

var _ = Story("middlebox", func() {
	itOnceForgotten("takes the client's next data for the beginning of a connection, and nobody notices",
		"middlebox/client-data-picked-up", 0, (*Router).Firewall, func(ctx SpecContext, router *Router, conn *Connection) {
			client, server := conn.Client, conn.Server
			written := client.Write(ctx, "still there?")
			Expect(server.Read(ctx)).To(Deliver("still there?"))
			client.Acknowledged(ctx)

			Expect(conn.Wire(ctx).Since(written)).To(ShowExactly(Data().From(client).Delivered(), ACK().From(server).Delivered()))
			life := router.Life(ctx, conn)
			Expect(life.Entry.State).To(Equal(lab.EntryEstablished))
			Expect(life).To(BeSetTo(afterPickup(router)))
			server.Write(ctx, "I am")
			Expect(client.Read(ctx)).To(Deliver("I am"))
			Expect(conn.Wire(ctx).Since(written)).To(ShowNone(Either(Retransmission(), RST(), AnySegment().Lost())))
			Observe("state", client.State())
			Observe("entry_state", life.Entry.State)
		})

	It("gives an entry that it has picked up no longer than unacknowledged data, until the other side has answered",
		Claim("middlebox/picked-up-unanswered"), func(ctx SpecContext) {
			client, router, server := RoutedPair(ctx)
			router.Firewall()
			router.SetIdleTimeout(time.Hour)
			conn := Connect(ctx, client, server)
			Expect(router.Life(ctx, conn)).To(BeSetTo(time.Hour))
			router.Forget(conn)
			answers := server.Blackhole(client, lab.ACKs)
			conn.Client.Write(ctx, "still there?")
			Expect(conn.Server.Read(ctx)).To(Deliver("still there?"))

			unanswered := router.Life(ctx, conn)
			Expect(unanswered.Entry.State).To(Equal(lab.EntryEstablished))
			Expect(unanswered).To(BeSetTo(router.Conntrack().Unacknowledged))
			answers.Remove()
			conn.Client.Acknowledged(ctx)
			Expect(router.Life(ctx, conn)).To(BeSetTo(router.Conntrack().Unacknowledged), "the answer itself is too early")
			conn.Client.Write(ctx, "good")
			conn.Client.Acknowledged(ctx)
			Expect(router.Life(ctx, conn)).To(BeSetTo(time.Hour))
			Observe("entry_timeout", router.Conntrack().Unacknowledged)
		})

	itOnceForgotten("drops what the server writes without a word: only the client may begin a connection",
		"middlebox/server-data-dropped", 7, (*Router).Firewall, func(ctx SpecContext, router *Router, conn *Connection) {
			loseInTheMiddle(ctx, router, conn.Server, conn.Client)
		})

	It("lets the server's data through with its next retransmission, once the client has written",
		Claim("middlebox/pickup-opens-both-ways"), SpecPriority(3), func(ctx SpecContext) {
			client, router, server := RoutedPair(ctx)
			router.Firewall()
			conn := Connect(ctx, client, server)
			model := conn.Server.Retransmission()
			router.Forget(conn)
			written := conn.Server.Write(ctx, "still there?")
			lost := conn.Server.SeesByTimeout(ctx, model, 1)
			Expect(conn.Wire(ctx).Since(written)).To(ShowOnly(AnySegment().From(server).DroppedBy(router)))

			opened := conn.Client.Write(ctx, "here I am")
			Expect(conn.Server.Read(ctx)).To(Deliver("here I am"))
			outcome := conn.Client.StartRead().Within(ctx, model.Intervals()[lost.Copy].Ceiling+Soon)
			Expect(outcome).To(Deliver("still there?"))
			Expect(conn.Wire(ctx).Since(opened)).To(ShowInOrder(
				Data().From(client).Delivered(), Retransmission().From(server).Delivered(), ACK().From(client).Delivered()))
			Expect(conn.Client.State()).To(Equal(socket.Established))
			Expect(conn.Server.State()).To(Equal(socket.Established))
			Observe("delivered_after", outcome.At-opened)
		})

	itOnceForgotten("drops the client's data as invalid where it may not pick up, and lets the client try in vain",
		"middlebox/no-pickup-dropped", 7, func(router *Router) {
			router.Firewall()
			router.KnowsNoPickup()
		}, func(ctx SpecContext, router *Router, conn *Connection) {
			loseInTheMiddle(ctx, router, conn.Client, conn.Server)
			Expect(router.Entry(conn).State).To(Equal(lab.NoEntry))
		})
})
