package close

import (
	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("close", func() {
	It("puts both ends into CLOSING when two FINs cross on their way",
		Claim("close/simultaneous-close-closing"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)

			conn.CloseAtOnce(ctx)

			for _, end := range []*End{conn.Client, conn.Server} {
				end.Reaches(ctx, socket.Closing)
				end.Sees(ctx, ACK().From(end).WithAck(2))
			}
			Observe("state", conn.Server.State())
			Observe("other_state", conn.Client.State())
		})

	It("leaves both ends in TIME_WAIT once each FIN is acknowledged",
		Claim("close/simultaneous-close-time-wait"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)

			mend := conn.CloseAtOnce(ctx)
			for _, end := range []*End{conn.Client, conn.Server} {
				end.Reaches(ctx, socket.Closing)
			}
			mend()

			for _, end := range []*End{conn.Client, conn.Server} {
				end.Reaches(ctx, socket.TimeWait)
				Expect(end.Snapshot().Timer.Kind).To(Equal(socket.TimeWaitTimer))
			}
			Expect(conn.Wire(ctx)).To(ShowNone(RST()))
			Observe("state", conn.Server.State())
			Observe("other_state", conn.Client.State())
		})
})
