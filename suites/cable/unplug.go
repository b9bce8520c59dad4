package cable

import (
	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("cable", func() {
	ItOnEitherSide("leaves both sockets as they were, with no timer and no word on the wire",
		Claim("cable/unplug-keeps-state"), func(ctx SpecContext, broken, survivor *End) {
			unplugged := broken.Host.Unplug()

			for _, end := range []*End{broken, survivor} {
				snapshot := end.Snapshot()
				Expect(snapshot.State).To(Equal(socket.Established))
				Expect(snapshot.Timer).To(Equal(socket.Timer{}))
				Expect(end.PendingError(ctx)).To(BeZero())
			}
			Expect(survivor.Wire(ctx).Since(unplugged)).To(ShowNone(AnySegment()))
			Observe("state", survivor.State())
			Observe("other_state", broken.State())
		})

	It("leaves a half-closed connection half closed",
		Claim("cable/unplug-keeps-state"), Case("half closed"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			survivor.Shutdown(ctx)
			survivor.Reaches(ctx, socket.FinWait2)

			unplugged := broken.Host.Unplug()

			Expect(survivor.State()).To(Equal(socket.FinWait2))
			Expect(broken.State()).To(Equal(socket.CloseWait))
			Expect(survivor.Wire(ctx).Since(unplugged)).To(ShowNone(AnySegment()))
		})

	It("keeps an idle connection on both sides for longer than keepalive would, and carries data when the cable is back",
		Claim("cable/idle-both-stay"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			readings := []*Reading{broken.StartRead(), survivor.StartRead()}

			unplugged := broken.Host.Unplug()
			silence := survivor.WaitOutKeepalive(ctx)

			for i, end := range []*End{broken, survivor} {
				snapshot := end.Snapshot()
				Expect(snapshot.State).To(Equal(socket.Established))
				Expect(snapshot.Timer).To(Equal(socket.Timer{}))
				Expect(readings[i].Blocked(ctx)).To(BeTrue(), "the %s's application has heard of it", end)
			}
			Expect(survivor.Wire(ctx).Since(unplugged)).To(ShowNone(AnySegment()))
			Observe("silent_for", silence)
			Observe("timer", survivor.Snapshot().Timer.Kind)

			broken.Host.Replug()
			survivor.Write(ctx, "still there?")
			Expect(readings[0].Within(ctx, Soon)).To(Deliver("still there?"))
		})
})
