package processcrash

import (
	"context"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// expectResetOnDeath kills the broken end's process and expects one RST, and nothing else, to end the
// connection on both sides at once.
func expectResetOnDeath(ctx context.Context, broken, survivor *End) {
	reading := survivor.StartRead()

	death := broken.Process.Kill()

	outcome := reading.Within(ctx, Soon)
	Expect(outcome).To(FailWith(unix.ECONNRESET))
	Expect(survivor.Wire(ctx).Since(death.At)).To(ShowExactly(RST().From(broken)))
	Expect(outcome.At - death.At).To(FallIn(timing.Death()))
	Expect(survivor.State()).To(Equal(socket.Gone))
	Expect(broken.State()).To(Equal(socket.Gone))
	Observe("detected_after", outcome.At-death.At)
	Observe("errno", unix.ErrnoName(outcome.Errno))
}

var _ = Story("process-crash", func() {
	ItOnEitherSide("says with a RST that data was thrown away",
		Claim("process-crash/unread-data-rst"), func(ctx SpecContext, broken, survivor *End) {
			survivor.Write(ctx, "never read")
			survivor.Sees(ctx, ACK().From(broken).WithAck(uint32(1+len("never read"))).Delivered())
			expectResetOnDeath(ctx, broken, survivor)
			Expect(broken.Counted("TCPAbortOnClose")).To(Equal(1))
			Observe("aborts_on_close", broken.Counted("TCPAbortOnClose"))
		})

	ItOnEitherSide("aborts instead of closing where the application asked for that beforehand",
		Claim("process-crash/linger-zero-rst"), func(ctx SpecContext, broken, survivor *End) {
			broken.SetLinger(ctx, 0)
			expectResetOnDeath(ctx, broken, survivor)
			Expect(broken.Counted("TCPAbortOnData")).To(Equal(1))
			Observe("aborts_on_data", broken.Counted("TCPAbortOnData"))
		})

	It("turns away the client that connected and was never served",
		Claim("process-crash/listener-resets-unaccepted"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			serving := server.StartProcess()
			listener := serving.Listen(ctx)
			waiting := client.StartProcess().DialUnaccepted(ctx, listener)
			Expect(listener.Unaccepted()).To(Equal(1))
			Expect(waiting.State()).To(Equal(socket.Established), "the client cannot tell")
			reading := waiting.StartRead()

			death := serving.Kill()

			outcome := reading.Within(ctx, Soon)
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Expect(waiting.Wire(ctx).Since(death.At)).To(ShowExactly(RST().From(server)))
			Expect(waiting.State()).To(Equal(socket.Gone))
			Observe("detected_after", outcome.At-death.At)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})
})
