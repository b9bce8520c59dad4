package middlebox

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("middlebox", func() {
	It("forgets an idle connection when its time is over, and tells neither end",
		Claim("middlebox/idle-entry-expires"), SpecPriority(2), func(ctx SpecContext) {
			client, router, server := RoutedPair(ctx)
			router.Firewall()
			conn := Connect(ctx, client, server)
			timeout := router.Conntrack().Established
			reading := conn.Server.StartRead()
			Expect(router.Entry(conn).State).To(Equal(lab.EntryEstablished))
			handshake := len(conn.Wire(ctx).Segments())

			router.Expire(ctx, conn, timeout)
			Expect(conn.Wire(ctx).Segments()).To(HaveLen(handshake), "segments of the connection")
			Expect(conn.Client.State()).To(Equal(socket.Established))
			Expect(conn.Server.State()).To(Equal(socket.Established))
			Expect(reading.Blocked(ctx)).To(BeTrue(), "read(2) still waits")
			Observe("expired_after", timeout)
			Observe("state", conn.Client.State())
			Observe("other_state", conn.Server.State())
		})

	It("takes the client's next data for a connection's beginning, and nobody notices",
		Claim("middlebox/picked-up"), SpecPriority(2), func(ctx SpecContext) {
			client, router, server := RoutedPair(ctx)
			router.Firewall()
			conn := Connect(ctx, client, server)
			router.Expire(ctx, conn, router.Conntrack().Established)
			written := conn.Client.Write(ctx, "still there?")
			Expect(conn.Server.Read(ctx)).To(Deliver("still there?"))
			conn.Client.Acknowledged(ctx)
			Expect(conn.Wire(ctx).Since(written)).To(ShowExactly(
				Data().From(client).Delivered(), ACK().From(server).Delivered()))
			Expect(router.Entry(conn).State).To(Equal(lab.EntryEstablished))
		})
})
