package reset

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/wire"
)

var _ = Story("reset", func() {
	It("is data that somebody has guessed the number of, and draws a challenge ACK for what it acknowledges",
		Claim("reset/blind-data-old-ack"), func(ctx SpecContext) {
			peer, target := connect(ctx)
			forged := target.Forge(ctx, Forgery{Flags: wire.FlagACK | wire.FlagPSH, Ack: -Outside, Payload: "trust me", Window: 64000})

			expectAnswered(ctx, peer, target, forged)
			Expect(target.Counted("TCPChallengeACK")).To(Equal(1), "challenge ACKs counted")
		})

	It("is data that acknowledges what was never sent, and nobody hears of it",
		Claim("reset/blind-data-future-ack"), func(ctx SpecContext) {
			peer, target := connect(ctx)
			forged := target.Forge(ctx, Forgery{Flags: wire.FlagACK | wire.FlagPSH, Ack: inside, Payload: "trust me", Window: 64000})

			expectIgnored(ctx, peer, target, forged)
		})
})
