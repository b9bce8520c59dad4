package reset

import (
	. "github.com/onsi/gomega"

	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("reset", func() {
	It("is data that somebody has guessed the number of, and draws a challenge ACK for what it acknowledges",
		Claim("reset/blind-data-old-ack"), func(ctx SpecContext) {
			peer, target := connect(ctx)
			forged := target.Forge(ctx, Forgery{Flags: wire.FlagACK | wire.FlagPSH, Ack: -Outside, Payload: "trust me", Window: 64000})

			expectAnswered(ctx, peer, target, forged)
			Expect(target.Counted("TCPChallengeACK")).To(Equal(1), "challenge ACKs counted")
		})

	It("is data that acknowledges what was never sent, and is not delivered, with an answer or without",
		Claim("reset/blind-data-future-ack"), func(ctx SpecContext) {
			peer, target := connect(ctx)
			forged := target.Forge(ctx, Forgery{Flags: wire.FlagACK | wire.FlagPSH, Ack: inside, Payload: "trust me", Window: 64000})
			expectUsable(ctx, peer, target)

			exchange := target.Wire(ctx).Since(forged.At)
			Expect(exchange).To(ShowTimes(1, AnySegment().Forged().Delivered()))
			heard := target.Sees(ctx, Data().From(peer)).At
			answers := answer(target).Before(heard).In(exchange)
			Expect(answers).To(HaveLen(target.Counted("TCPChallengeACK")), "answers, which are challenge ACKs")
			Expect(len(answers)).To(BeNumerically("<=", 1), "answers")
			Observe("challenge_acks", len(answers))
		})
})
