package middlebox

import (
	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("middlebox", func() {
	It("keeps a connection that a RST of the wrong sequence number has not ended, but not for long",

		Claim("middlebox/inexact-rst-timeout"), func(ctx SpecContext) {
			client, router, server := RoutedPairAsShipped(ctx)
			router.Firewall()
			timeouts := router.Conntrack()
			conn := Connect(ctx, client, server)
			Expect(router.Life(ctx, conn)).To(BeSetTo(timeouts.Established))
			answers := server.Blackhole(client, lab.ACKs) // the challenge would set the entry anew
			forged := router.ForgeReset(conn, 1)
			conn.Server.Sees(ctx, ChallengeACK().From(server).After(forged))

			life := router.Life(ctx, conn)
			Expect(life.Entry.State).To(Equal(lab.EntryEstablished))
			Expect(life).To(Or(BeSetTo(timeouts.Close), BeSetTo(timeouts.Unacknowledged)))
			Expect(conn.Server.State()).To(Equal(socket.Established))
			answers.Remove()
			conn.Client.Write(ctx, "still there?")
			Expect(conn.Server.Read(ctx)).To(Deliver("still there?"))
			conn.Client.Acknowledged(ctx)
			Expect(router.Life(ctx, conn)).To(BeSetTo(timeouts.Established))
			Observe("entry_timeout", life.Entry.Expires.Round(timeouts.Close))
		})
})
