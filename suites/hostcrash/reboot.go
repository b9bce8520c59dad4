package hostcrash

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("host-crash", func() {
	ItOnEitherSide("answers the survivor's next retransmission with a RST once the crashed host is back",
		Claim("host-crash/reboot-rst"), func(ctx SpecContext, broken, survivor *End) {
			broken.Host.PowerOff() // nothing more leaves it: no FIN, no RST
			written := survivor.Write(ctx, "are you there?")
			reading := survivor.StartRead()
			broken.Host.Reboot() // same addresses, no memory of the connection

			outcome := reading.Within(ctx, Soon)
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Expect(survivor.Wire(ctx)).To(ShowInOrder(Data().From(survivor), Retransmission().From(survivor), RST().From(broken)))
			Expect(survivor.State()).To(Equal(socket.Gone))
			Observe("detected_after", outcome.At-written)
		})
})
