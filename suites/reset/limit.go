package reset

import (
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/lab"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// unlimited is INT_MAX, by which tcp_challenge_ack_limit sets no limit.
const unlimited = 1<<31 - 1

// tick is a jiffy, at any HZ, by which the kernel's clock may be behind.
const tick = 10 * time.Millisecond

var _ = Story("reset", func() {
	It("is challenged once, and again when tcp_invalid_ratelimit has passed, however often it comes",
		Claim("reset/challenge-ratelimited"), SpecPriority(1), func(ctx SpecContext) {
			peer, target := connect(ctx)
			rst := target.Draft(ctx, Forgery{Flags: wire.FlagRST, Seq: inside})
			syn := target.Draft(ctx, Forgery{Flags: wire.FlagSYN}) // asks as well, and is no exception
			first := target.Host.Forge(ctx, rst)
			for _, again := range []lab.Forged{rst, rst, rst, syn} {
				target.Host.Forge(ctx, again)
			}
			Elapse(ctx, timing.InvalidRateLimit+tick)
			last := target.Host.Forge(ctx, rst)
			target.Sees(ctx, answer(target).After(last.At))

			challenges := answer(target).After(first.At).In(target.Wire(ctx))
			Expect(challenges).To(HaveLen(2), "challenge ACKs")
			Expect(challenges[1].At - challenges[0].At).To(BeNumerically(">=", timing.InvalidRateLimit))
			Expect(target.Counted("TCPChallengeACK")).To(Equal(2), "challenge ACKs counted")
			Expect(target.Counted("TCPACKSkippedChallenge")).To(Equal(4), "challenge ACKs left out")
			expectUsable(ctx, peer, target)
			Observe("challenge_acks", len(challenges))
			Observe("answers_left_out", target.Counted("TCPACKSkippedChallenge"))
		})

	It("is challenged within a limit of the whole host, or of none",
		Claim("reset/challenge-limit-default"), func(ctx SpecContext) {
			expected := map[string]int{"thousand": 1000, "unlimited": unlimited}[Expected()]
			client, server := Pair(ctx)
			for _, host := range []*Host{client, server} {
				Expect(host.Sysctl("net.ipv4.tcp_challenge_ack_limit")).To(Equal(expected))
			}
			Observe("challenge_limit", expected)
		})

	It("is challenged on one connection in a second where the host's limit is one, however many there are",
		Claim("reset/challenge-limit"), SpecPriority(1), func(ctx SpecContext) {
			const connections = 5
			client, server := Pair(ctx)
			server.SetSysctl("net.ipv4.tcp_challenge_ack_limit", 1)
			listener := server.StartProcess().Listen(ctx)
			caller := client.StartProcess()
			var targets []*End
			for i := range connections {
				targets = append(targets, caller.ConnectFrom(ctx, uint16(50001+i), listener).Server)
			}
			var drafts []lab.Forged
			for _, target := range targets {
				drafts = append(drafts, target.Draft(ctx, Forgery{Flags: wire.FlagRST, Seq: inside}))
			}
			before := targets[0].Counted("TCPChallengeACK")
			var crossed []wire.Segment
			for _, draft := range drafts {
				crossed = append(crossed, server.Forge(ctx, draft))
			}
			first, last := crossed[0], crossed[connections-1]
			for _, target := range targets { // what is read was sent after any challenge
				target.Write(ctx, "still there?")
				target.Sees(ctx, Data().From(target).Delivered())
			}

			challenged := 0
			for _, target := range targets {
				challenged += len(answer(target).After(first.At).In(target.Wire(ctx)))
			}
			// The kernel's seconds are not ours: two of them begin a new count in between at the most,
			// and one more for each second that the forging took.
			Expect(challenged).To(And(BeNumerically(">=", 1), BeNumerically("<=", 2+int((last.At-first.At).Seconds()))), "challenge ACKs")
			// Whether it is one or more is chance, and so no observation of the kernel.
			Expect(targets[0].Counted("TCPChallengeACK")-before).To(Equal(challenged), "challenge ACKs counted")
		})
})
