package address

import (
	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("address", func() {
	for _, device := range []string{"lo", "inner0"} {
		It("goes on both ways when the address has moved to "+device+" of the same host",
			Claim("address/moves-within-host"), Case("to %s", device), func(ctx SpecContext) {
				client, server := Pair(ctx)
				moved, survivor := Connect(ctx, client, server).Split(ClientBreaks)
				survivor.Host.PinNeighbour(moved.Host) // over IPv6 nobody would tell it anew

				at := moved.Host.MoveAddressTo(device)
				survivor.Write(ctx, "are you there?")
				Expect(moved.Read(ctx)).To(Deliver("are you there?"))
				moved.Write(ctx, "where I was")
				Expect(survivor.Read(ctx)).To(Deliver("where I was"))

				for _, end := range []*End{moved, survivor} {
					end.Acknowledged(ctx)
					Expect(end.State()).To(Equal(socket.Established))
				}
				Expect(survivor.Wire(ctx).Since(at)).To(ShowNone(Retransmission()))
				Observe("state", moved.State())
			})
	}

	It("is found anew over IPv4 and not over IPv6 by who has forgotten its link address",
		Claim("address/moved-link-address"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			moved, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			copies := survivor.Retransmission().Intervals()
			patience := Soon
			reading := moved.StartRead()

			moved.Host.MoveAddressTo("lo")
			survivor.Host.ForgetNeighbours()
			written := survivor.Write(ctx, "where are you?")
			if Family() == 6 {
				Elapse(ctx, survivor.Host.Resolution().Failure().Ceiling)
				Expect(survivor.Wire(ctx).Since(written)).To(ShowNone(AnySegment()))
				survivor.Host.PinNeighbour(moved.Host) // and all is well for who knows, at the next copy
				patience += copies[len(copies)-1].Ceiling
			}

			Expect(reading.Within(ctx, patience)).To(Deliver("where are you?"))
			asked := survivor.Host.AskedFor(ctx, moved.Host, written)
			Expect(asked).To(BeNumerically(">", written))
			Observe("state", moved.State())
		})
})
