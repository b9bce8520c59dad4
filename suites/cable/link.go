package cable

import (
	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("cable", func() {
	It("delivers both ways what was written while the link was down",
		Claim("cable/link-down-up"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			model := survivor.Retransmission()
			atBroken, atSurvivor := broken.StartRead(), survivor.StartRead()

			broken.Host.LinkDown()
			written := survivor.Write(ctx, "from the side with a link")
			broken.Write(ctx, "from the side without")
			survivor.SeesByTimeout(ctx, model, lostByTimeout)
			Expect(survivor.Wire(ctx).Since(written)).To(ShowNone(Either(AnySegment().From(broken), AnySegment().Delivered())))
			up := broken.Host.LinkUp()

			outcome := atBroken.Within(ctx, next(model))
			Expect(outcome).To(Deliver("from the side with a link"))
			Expect(atSurvivor.Within(ctx, Soon)).To(Deliver("from the side without"))
			for _, end := range []*End{broken, survivor} {
				Expect(end.State()).To(Equal(socket.Established))
				Expect(end.PendingError(ctx)).To(BeZero())
			}
			Observe("delivered_after", outcome.At-up)
		})

	It("talks again both ways once the host is where it was, whatever it was called in between",
		Claim("cable/address-returns"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			model := survivor.Retransmission()
			atBroken, atSurvivor := broken.StartRead(), survivor.StartRead()

			broken.Host.RemoveAddress()
			broken.Host.MoveToOtherAddress()
			survivor.Write(ctx, "from the side that stayed")
			broken.Write(ctx, "from the side that moved")
			survivor.SeesByTimeout(ctx, model, lostByTimeout)
			Expect(atBroken.Blocked(ctx)).To(BeTrue(), "the address that the data is for is nobody's")
			Expect(broken.State()).To(Equal(socket.Established))
			broken.Host.LeaveOtherAddress()
			back := broken.Host.RestoreAddress()

			outcome := atBroken.Within(ctx, next(model))
			Expect(outcome).To(Deliver("from the side that stayed"))
			Expect(atSurvivor.Within(ctx, Soon)).To(Deliver("from the side that moved"))
			broken.Write(ctx, "here again")
			Expect(survivor.Read(ctx)).To(Deliver("here again"))
			for _, end := range []*End{broken, survivor} {
				Expect(end.State()).To(Equal(socket.Established))
				Expect(end.PendingError(ctx)).To(BeZero())
			}
			Observe("delivered_after", outcome.At-back)
		})
})
