package processcrash

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("process-crash", func() {
	It("lets the survivor write once more as if somebody were there to read",
		Claim("process-crash/write-after-fin-succeeds"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			death := broken.Process.Kill()
			Expect(survivor.Read(ctx)).To(ReachEOF())

			Expect(survivor.TryWrite(ctx, "are you there?")).To(GoThrough())

			Expect(survivor.Wire(ctx).Since(death.At)).To(ShowInOrder(
				FIN().From(broken), Data().From(survivor).Carrying("are you there?").Delivered()))
		})

	// A RST that answers a segment takes its sequence number from that segment's acknowledgement:
	// 2, behind SYN and FIN. It has no ACK flag.
	drawnRST := func(broken *End) Predicate {
		return RST().From(broken).WithSeq(2).That("without ACK", func(s wire.Segment) bool { return !s.Flags.Has(wire.FlagACK) })
	}

	ItOnEitherSide("answers what nobody will read with a RST while the dead side is in FIN_WAIT2",
		Claim("process-crash/write-after-fin-draws-rst"), func(ctx SpecContext, broken, survivor *End) {
			death := broken.Process.Kill()
			Expect(survivor.Read(ctx)).To(ReachEOF())
			survivor.Sees(ctx, ACK().From(survivor).After(death.At).Delivered())
			broken.Reaches(ctx, socket.FinWait2)

			written := survivor.Write(ctx, "are you there?")

			rst := survivor.Sees(ctx, RST().From(broken).Delivered())
			survivor.Reaches(ctx, socket.Gone)
			Expect(broken.State()).To(Equal(socket.Gone), "the RST ends FIN_WAIT2")
			Expect(survivor.Wire(ctx).Since(written)).To(ShowExactly(Data().From(survivor), drawnRST(broken)))
			Expect(broken.Counted("OutRsts")).To(Equal(1))
			Observe("rst_after", rst.At-written)
		})

	It("answers with the same RST once the orphan in FIN_WAIT2 has expired",
		Claim("process-crash/write-after-fin-draws-rst"), Case("after tcp_fin_timeout"), SpecPriority(2), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			orphan := broken.FinWait2().Gone()
			death := broken.Process.Kill()
			Expect(survivor.Read(ctx)).To(ReachEOF())
			ack := survivor.Sees(ctx, ACK().From(survivor).After(death.At).Delivered())
			broken.ReachesBy(ctx, socket.Gone, orphan.From(ack.At).Plus(RealClockSlack).Ceiling)

			written := survivor.Write(ctx, "are you there?")

			rst := survivor.Sees(ctx, RST().From(broken).Delivered())
			survivor.Reaches(ctx, socket.Gone)
			Expect(survivor.Wire(ctx).Since(written)).To(ShowExactly(Data().From(survivor), drawnRST(broken)))
			Observe("rst_after", rst.At-written)
		})

	It("tells the survivor by its second write, and never by a read",
		Claim("process-crash/write-after-rst-epipe"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			death := broken.Process.Kill()
			Expect(survivor.Read(ctx)).To(ReachEOF())
			survivor.Sees(ctx, ACK().From(survivor).After(death.At).Delivered())
			survivor.Write(ctx, "are you there?")
			rst := survivor.Sees(ctx, RST().From(broken).Delivered())
			survivor.Reaches(ctx, socket.Gone)

			Expect(survivor.Read(ctx)).To(ReachEOF(), "the end of file came first and stays")
			outcome := survivor.TryWrite(ctx, "hello?")

			Expect(outcome).To(FailWith(unix.EPIPE))
			Expect(survivor.Wire(ctx).Since(rst.At)).To(ShowExactly(RST().From(broken)))
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})
})
