package reset

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("reset", func() {
	It("ends the connection at once, if it has the very number that is expected next",
		Claim("reset/exact-resets"), func(ctx SpecContext) {
			peer, target := connect(ctx)
			reading := target.StartRead()
			forged := target.Forge(ctx, Forgery{Flags: wire.FlagRST})

			outcome := reading.Within(ctx, Soon)
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Expect(target.State()).To(Equal(socket.Gone))
			Expect(target.Wire(ctx).Since(forged.At)).To(ShowExactly(RST().Forged()), "and no answer")
			Expect(target.TryWrite(ctx, "hello?")).To(FailWith(unix.EPIPE))
			Expect(target.Counted("EstabResets")).To(Equal(1), "EstabResets")
			Expect(peer.State()).To(Equal(socket.Established), "it has sent no RST and knows of none")
			Observe("detected_after", outcome.At-forged.At)
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("other_state", peer.State())
		})

	It("ends the connection with data in it as without, and the data is not delivered",
		Claim("reset/rst-with-data"), func(ctx SpecContext) {
			_, target := connect(ctx)
			reading := target.StartRead()
			forged := target.Forge(ctx, Forgery{Flags: wire.FlagRST, Payload: "out of memory"})

			outcome := reading.Within(ctx, Soon)
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Expect(target.Read(ctx)).To(ReachEOF())
			Expect(target.Wire(ctx).Since(forged.At)).To(ShowExactly(RST().Forged().Carrying("out of memory")))
			Observe("detected_after", outcome.At-forged.At)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	for _, each := range []guess{{"one past the expected number", justInside}, {"in the middle of the window", inside}} {
		It("draws a challenge ACK and ends nothing, if its number is "+each.name,
			Claim("reset/in-window-challenged"), Case("%s", each.name), func(ctx SpecContext) {
				peer, target := connect(ctx)
				forged := target.Forge(ctx, Forgery{Flags: wire.FlagRST, Seq: each.number})

				expectAnswered(ctx, peer, target, forged)
				Expect(target.Wire(ctx)).To(ShowTimes(1, ChallengeACK().From(target)))
				Expect(target.Counted("TCPChallengeACK")).To(Equal(1), "challenge ACKs counted")
			})
	}

	for _, each := range []guess{{"one below the expected number", below}, {"beyond the window", Outside}} {
		It("is ignored, if its number is "+each.name,
			Claim("reset/out-of-window-ignored"), Case("%s", each.name), func(ctx SpecContext) {
				peer, target := connect(ctx)
				forged := target.Forge(ctx, Forgery{Flags: wire.FlagRST, Seq: each.number})

				expectIgnored(ctx, peer, target, forged)
			})
	}

	for _, each := range []guess{{"the expected number", exact}, {"one in the window", inside}, {"one outside of it", Outside}} {
		It("is only challenged, if it is a SYN, with "+each.name,
			Claim("reset/syn-challenged"), Case("%s", each.name), func(ctx SpecContext) {
				peer, target := connect(ctx)
				forged := target.Forge(ctx, Forgery{Flags: wire.FlagSYN, Seq: each.number})

				expectAnswered(ctx, peer, target, forged)
				Expect(target.Counted("TCPSYNChallenge")).To(Equal(1), "SYNs challenged")
				Expect(target.Counted("TCPChallengeACK")).To(Equal(1), "challenge ACKs counted")
			})
	}

	It("ends the connection also with the number behind the last data that has arrived, past a gap",
		Claim("reset/sack-edge-resets"), func(ctx SpecContext) {
			_, target := connect(ctx)
			reading := target.StartRead()
			const gap, text = 1000, "past the gap"
			target.Forge(ctx, Forgery{Flags: wire.FlagACK | wire.FlagPSH, Seq: gap, Payload: text, Window: 64000})
			sacked := target.Sees(ctx, ACK().From(target).That("with SACK", func(s wire.Segment) bool { return s.Options.SACK }))
			forged := target.Forge(ctx, Forgery{Flags: wire.FlagRST, Seq: gap + len(text)})

			outcome := reading.Within(ctx, Soon)
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Expect(target.Wire(ctx).Since(sacked.At)).To(ShowExactly(ACK().From(target), RST().Forged()))
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("detected_after", outcome.At-forged.At)
		})
})
