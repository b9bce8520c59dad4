package middlebox

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// resetInTheMiddle lets one end write what the router answers with a RST in the other's name, and expects
// that the other is told nothing.
func resetInTheMiddle(ctx SpecContext, router *Router, writer, other *End) {
	reading, waiting := writer.StartRead(), other.StartRead()
	written := writer.Write(ctx, "still there?")
	outcome := reading.Within(ctx, Soon)

	Expect(outcome).To(FailWith(unix.ECONNRESET))
	Expect(writer.Wire(ctx).Since(written)).To(ShowExactly(
		Data().From(writer).DroppedBy(router), RST().From(router).Delivered()))
	Expect(writer.State()).To(Equal(socket.Gone))
	Expect(other.State()).To(Equal(socket.Established))
	Expect(waiting.Blocked(ctx)).To(BeTrue(), "nobody has told the other side")
	Observe("detected_after", outcome.At-written)
	Observe("errno", unix.ErrnoName(outcome.Errno))
	Observe("other_state", other.State())
}

func rejecting(router *Router) { router.FirewallRejecting(lab.WithReset) }

var _ = Story("middlebox", func() {
	itOnceForgotten("answers the client's data with a RST in the server's name, where it may not pick up",
		"middlebox/no-pickup-reset", 0, func(router *Router) {
			rejecting(router)
			router.KnowsNoPickup()
		}, func(ctx SpecContext, router *Router, conn *Connection) {
			resetInTheMiddle(ctx, router, conn.Client, conn.Server)
		})

	itOnceForgotten("answers the server's data with a RST in the client's name",
		"middlebox/server-data-reset", 0, rejecting, func(ctx SpecContext, router *Router, conn *Connection) {
			resetInTheMiddle(ctx, router, conn.Server, conn.Client)
		})
})
