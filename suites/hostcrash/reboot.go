package hostcrash

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// keepTrying gives the survivor the kernel's own number of copies: a machine that boots beside others may be longer
// away than the copies of a short profile last.
func keepTrying(survivor *End) {
	survivor.Host.SetSysctl("net.ipv4.tcp_retries2", 15)
}

var _ = Story("host-crash", func() {
	ItOnEitherSide("answers the survivor's next retransmission with a RST once the crashed host is back",
		Claim("host-crash/reboot-rst"), func(ctx SpecContext, broken, survivor *End) {
			keepTrying(survivor)
			broken.Host.PowerOff() // nothing more leaves it: no FIN, no RST
			written := survivor.Write(ctx, "are you there?")
			reading := survivor.StartRead()
			broken.Host.Reboot() // same addresses, no memory of the connection

			outcome := reading.Within(ctx, UntilNextCopy(written))
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Expect(survivor.Wire(ctx)).To(ShowInOrder(Data().From(survivor), Retransmission().From(survivor), RST().From(broken)))
			Expect(survivor.State()).To(Equal(socket.Gone))
			Observe("detected_after", outcome.At-written)
		})

	It("answers with a RST although the service is up again and listens on the port",
		Claim("host-crash/reboot-rst-listener"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			keepTrying(survivor)
			died := broken.Host.PowerOff()
			written := survivor.Write(ctx, "are you there?")
			reading := survivor.StartRead()
			back := broken.Host.RebootListening(ctx)

			outcome := reading.Within(ctx, UntilNextCopy(written))
			wire := survivor.Wire(ctx).Since(died)
			Expect(wire).To(ShowExactly(append(copies(survivor, len(wire.Segments())-1), RST().From(broken).Delivered())...))
			Expect(wire).To(ShowTimes(1, Retransmission().From(survivor).Delivered().After(back)))
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Observe("detected_after", outcome.At-died)
			Observe("resets", len(RST().In(wire)))
		})

	ItOnEitherSide("tells the application ECONNRESET once, and EPIPE when it writes again",
		Claim("host-crash/reboot-econnreset"), func(ctx SpecContext, broken, survivor *End) {
			keepTrying(survivor)
			died := broken.Host.PowerOff()
			written := survivor.Write(ctx, "are you there?")
			reading := survivor.StartRead()
			broken.Host.Reboot()

			outcome := reading.Within(ctx, UntilNextCopy(written))
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			again := survivor.TryWrite(ctx, "hello?")
			Expect(again).To(FailWith(unix.EPIPE))
			Expect(survivor.Read(ctx)).To(ReachEOF())
			Observe("detected_after", outcome.At-died)
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("next_errno", unix.ErrnoName(again.Errno))
		})
})
