package processcrash

import (
	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("process-crash", func() {
	ItOnEitherSide("looks to the survivor's application like an orderly close",
		Claim("process-crash/survivor-reads-eof"), func(ctx SpecContext, broken, survivor *End) {
			reading := survivor.StartRead()

			death := broken.Process.Kill()

			outcome := reading.Within(ctx, Soon)
			Expect(outcome).To(ReachEOF())
			Expect(survivor.Read(ctx)).To(ReachEOF(), "and again")
			Expect(survivor.PendingError(ctx)).To(BeZero())
			Expect(survivor.Wire(ctx).Since(death.At)).To(ShowNone(RST()))
			Observe("eof_after", outcome.At-death.At)
		})

	It("leaves the survivor with a half-closed connection and no timer",
		Claim("process-crash/survivor-close-wait"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)

			broken.Process.Kill()

			fin := survivor.Sees(ctx, FIN().From(broken).Delivered())
			survivor.Reaches(ctx, socket.CloseWait)
			survivor.Sees(ctx, ACK().From(survivor).After(fin.At)) // which may be held back by a timer
			now := survivor.Snapshot()
			Expect(now.State).To(Equal(socket.CloseWait))
			Expect(now.Orphaned()).To(BeFalse(), "the survivor's process still holds it")
			Expect(now.Timer.Kind).To(Equal(socket.NoTimer))
			Observe("state", now.State)
			Observe("timer", now.Timer.Kind)
		})

	It("keeps the survivor half-closed although nothing is left on the other side",
		Claim("process-crash/survivor-stays-close-wait"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			orphan := broken.FinWait2().Gone()

			death := broken.Process.Kill()
			fin := survivor.Sees(ctx, FIN().From(broken).Delivered())
			expired := broken.ReachesBy(ctx, socket.Gone, orphan.From(fin.At).Plus(Soon).Ceiling)

			Elapse(ctx, orphan.Floor/4) // the survivor's own side has nothing to expire
			now := survivor.Snapshot()
			Expect(now.State).To(Equal(socket.CloseWait))
			Expect(now.Timer.Kind).To(Equal(socket.NoTimer))
			Expect(survivor.PendingError(ctx)).To(BeZero())
			Expect(survivor.Read(ctx)).To(ReachEOF())
			Expect(survivor.Wire(ctx).Since(death.At)).To(ShowExactly(FIN().From(broken), ACK().From(survivor)))
			Observe("expired_after", expired-fin.At)
			Observe("silent_for", now.At-expired)
			Observe("state", now.State)
			Observe("timer", now.Timer.Kind)
		})
})
