package processcrash

import (
	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("process-crash", func() {
	It("leaves an orphan on the dead side that waits for the survivor to close",
		Claim("process-crash/dead-side-fin-wait2"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			Expect(broken.Snapshot().Orphaned()).To(BeFalse(), "its process holds it")

			broken.Process.Kill()

			survivor.Sees(ctx, FIN().From(broken).Delivered())
			broken.Reaches(ctx, socket.FinWait2)
			now := broken.Snapshot()
			Expect(now.State).To(Equal(socket.FinWait2))
			Expect(now.Inode).To(BeZero())
			Observe("other_state", now.State)
			Observe("inode", now.Inode)
		})

	ItOnEitherSide("closes in order, FIN and ACK from both sides, as a living process would",
		Claim("process-crash/four-way-close"), func(ctx SpecContext, broken, survivor *End) {
			death := broken.Process.Kill()
			Expect(survivor.Read(ctx)).To(ReachEOF())
			survivor.Sees(ctx, ACK().From(survivor).After(death.At).Delivered())

			survivor.Close(ctx)

			last := survivor.Sees(ctx, ACK().From(broken).After(death.At).Delivered())
			survivor.Reaches(ctx, socket.Gone)
			Expect(broken.Snapshot().Orphaned()).To(BeTrue())
			Expect(survivor.Wire(ctx).Since(death.At)).To(ShowExactly(
				FIN().From(broken).Empty().WithSeq(1),
				ACK().From(survivor).WithAck(2),
				FIN().From(survivor).Empty().WithSeq(1),
				ACK().From(broken).WithAck(2)))
			Observe("closed_after", last.At-death.At)
		})

	It("makes the dead side wait for stray segments, having closed first",
		Claim("process-crash/dead-side-time-wait"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			broken.Process.Kill()
			// Closing at once could let the FIN overtake this acknowledgement, which then draws a RST out of a
			// connection that is gone and ends TIME-WAIT early (RFC 1337).
			broken.SeesFinAcknowledged(ctx)

			survivor.Close(ctx)

			fin := survivor.Sees(ctx, FIN().From(survivor).Delivered())
			broken.Reaches(ctx, socket.TimeWait)
			now := broken.Snapshot()
			Expect(now.State).To(Equal(socket.TimeWait))
			Expect(now.Inode).To(BeZero())
			Expect(now.Timer.Kind).To(Equal(socket.TimeWaitTimer))
			Expect(now.Timer.Expires).To(FallIn(broken.TimeWait().Armed(now.At - fin.DeliveredAt)))
			Observe("other_state", now.State)
			Observe("timer", now.Timer.Kind)
			Observe("timer_expires", now.Timer.Expires)
		})

	It("forgets the dead side in silence when the survivor does not close",
		Claim("process-crash/orphan-fin-timeout"), SpecPriority(2), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			window := broken.FinWait2().Gone()

			death := broken.Process.Kill()
			fin := survivor.Sees(ctx, FIN().From(broken).Delivered())
			broken.Reaches(ctx, socket.FinWait2)
			ack := survivor.Sees(ctx, ACK().From(survivor).After(fin.At).Delivered())
			gone := broken.GoneIn(ctx, ack.DeliveredAt, window)

			Expect(survivor.Wire(ctx).Since(death.At)).To(ShowExactly(FIN().From(broken), ACK().From(survivor)))
			Expect(broken.Counted("OutRsts")).To(BeZero())
			Observe("expired_after", gone)
			Observe("fin_timeout", broken.Timeouts().FinTimeout)
			Observe("window_floor", window.Floor)
			Observe("window_ceiling", window.Ceiling)
		})
})
