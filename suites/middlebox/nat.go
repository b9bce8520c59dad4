package middlebox

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("middlebox", func() {
	itOnceForgotten("gives the client's next data the address and port it had before, and the server sees no difference",
		"middlebox/nat-same-port", 0, (*Router).Masquerade, func(ctx SpecContext, router *Router, conn *Connection) {
			outside := conn.Server.Remote()
			Expect(outside.Addr()).NotTo(Equal(conn.Client.Local().Addr()), "the router's address")
			Expect(outside.Port()).To(Equal(conn.Client.Local().Port()))

			written := conn.Client.Write(ctx, "still there?")
			Expect(conn.Server.Read(ctx)).To(Deliver("still there?"))
			conn.Client.Acknowledged(ctx)
			Expect(router.Entry(conn).Outside).To(Equal(outside))
			Expect(conn.Wire(ctx).Since(written)).To(ShowExactly(
				Data().From(conn.Client).Delivered().That("sent on from "+outside.String(), func(s wire.Segment) bool { return s.OutSrc == outside }),
				ACK().From(conn.Server).Delivered()))
			Expect(conn.Client.State()).To(Equal(socket.Established))
			Observe("state", conn.Client.State())
		})

	itOnceForgotten("draws another port for the client's next data, and the server answers it with a RST",
		"middlebox/nat-other-port", 0, (*Router).TranslatePorts, func(ctx SpecContext, router *Router, conn *Connection) {
			before := conn.Server.Remote()
			reading, waiting := conn.Client.StartRead(), conn.Server.StartRead()
			written := conn.Client.Write(ctx, "still there?")
			for router.Entry(conn).Outside == before { // one draw of 48976
				router.Forget(conn)
				written = conn.Client.Write(ctx, "and now?")
			}
			outcome := reading.Within(ctx, Soon)

			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Expect(conn.Wire(ctx).Since(written)).To(ShowExactly(
				Data().From(conn.Client).Delivered().That("sent on from another port", func(s wire.Segment) bool {
					return s.OutSrc.Addr() == before.Addr() && s.OutSrc.Port() != before.Port()
				}),
				RST().From(conn.Server).Delivered()))
			Expect(conn.Client.State()).To(Equal(socket.Gone))
			Expect(conn.Server.State()).To(Equal(socket.Established), "the socket of the port before")
			Expect(waiting.Blocked(ctx)).To(BeTrue(), "nobody has told the server's application")
			Observe("detected_after", outcome.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("other_state", conn.Server.State())
		})

	itOnceForgotten("takes what the server writes for its own, and answers with a RST for the client it has forgotten",
		"middlebox/nat-answers-server", 0, (*Router).Masquerade, func(ctx SpecContext, router *Router, conn *Connection) {
			waiting := conn.Client.StartRead()
			written := conn.Server.Write(ctx, "still there?")
			outcome := conn.Server.Read(ctx)

			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Expect(conn.Server.Wire(ctx).Since(written)).To(ShowExactly(
				Data().From(conn.Server).DroppedBy(router), RST().From(router).Delivered()))
			Expect(conn.Client.State()).To(Equal(socket.Established))
			Expect(waiting.Blocked(ctx)).To(BeTrue(), "nobody has told the client")
			Observe("detected_after", outcome.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("other_state", conn.Client.State())
		})

	itOnceForgotten("sends what it may not pick up on as it is, and the server answers an address it has never heard of",
		"middlebox/nat-invalid-untranslated", 0, func(router *Router) {
			router.Masquerade()
			router.KnowsNoPickup()
		}, func(ctx SpecContext, router *Router, conn *Connection) {
			reading := conn.Client.StartRead()
			written := conn.Client.Write(ctx, "still there?")
			outcome := reading.Within(ctx, Soon)

			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Expect(conn.Wire(ctx).Since(written)).To(ShowExactly(
				Data().From(conn.Client).Delivered().That("sent on as it came", func(s wire.Segment) bool { return s.OutSrc == conn.Client.Local() }),
				RST().From(conn.Server).Delivered()))
			Expect(conn.Server.State()).To(Equal(socket.Established))
			Observe("detected_after", outcome.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("other_state", conn.Server.State())
		})
})
