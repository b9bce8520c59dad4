package reset

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/wire"
)

// aged is a timestamp older than any that is still on its way, in milliseconds.
const aged = 60_000

var _ = Story("reset", func() {
	It("is no RST and is answered but not delivered, if its timestamp is older than what has arrived",
		Claim("reset/paws-data"), func(ctx SpecContext) {
			peer, target := connect(ctx)
			forged := target.Forge(ctx, Forgery{Flags: wire.FlagACK | wire.FlagPSH, Payload: "from long ago", Window: 64000, Aged: aged})

			target.Sees(ctx, answer(target).After(forged.At))
			Expect(target.Counted("PAWSEstab")).To(Equal(1), "PAWSEstab")
			expectAnswered(ctx, peer, target, forged)
		})

	It("ends the connection however old its timestamp is",
		Claim("reset/paws-rst"), func(ctx SpecContext) {
			_, target := connect(ctx)
			reading := target.StartRead()
			forged := target.Forge(ctx, Forgery{Flags: wire.FlagRST, Aged: aged})

			outcome := reading.Within(ctx, Soon)
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Expect(target.Counted("PAWSEstab")).To(BeZero(), "PAWSEstab")
			Observe("detected_after", outcome.At-forged.At)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	It("is answered, if it is a SYN with an old timestamp, as a challenge or as a segment from long ago",
		Claim("reset/paws-syn"), func(ctx SpecContext) {
			challenges := map[string]int{"challenge": 1, "duplicate-ack": 0}[Expected()]
			peer, target := connect(ctx)
			forged := target.Forge(ctx, Forgery{Flags: wire.FlagSYN, Seq: inside, Aged: aged})

			expectAnswered(ctx, peer, target, forged)
			Expect(target.Counted("TCPSYNChallenge")).To(Equal(challenges), "SYNs challenged")
			Expect(target.Counted("TCPChallengeACK")).To(Equal(challenges), "challenge ACKs counted")
			Expect(target.Counted("PAWSEstab")).To(Equal(1-challenges), "PAWSEstab")
		})

	It("is an acknowledgement that was overtaken, and is answered or not",
		Claim("reset/paws-old-ack"), func(ctx SpecContext) {
			expected := Expected()
			peer, target := connect(ctx)
			forged := target.Forge(ctx, Forgery{Flags: wire.FlagACK, Seq: below, Window: 64000, Aged: aged})

			if expected == "answered" {
				expectAnswered(ctx, peer, target, forged)
				Expect(target.Counted("PAWSEstab")).To(Equal(1), "PAWSEstab")
			} else {
				expectIgnored(ctx, peer, target, forged)
				Expect(target.Counted("PAWSOldAck")).To(Equal(1), "PAWSOldAck")
			}
		})
})
