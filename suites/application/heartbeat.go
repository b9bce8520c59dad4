package application

import (
	"fmt"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// asking is a heartbeat as an application may have it.
func asking() Heartbeat {
	return InProfile(
		Heartbeat{Every: time.Second, Most: time.Second},
		Heartbeat{Every: 30 * time.Second, Most: 10 * time.Second})
}

// answered waits for the n-th answer and returns when it reached the survivor.
func answered(ctx SpecContext, survivor, peer *End, beat Heartbeat, n int) (at time.Duration) {
	return survivor.SeesWithin(ctx, time.Duration(n)*beat.Every+Soon,
		Data().From(peer).Carrying(fmt.Sprintf("alive %d\n", n)).Delivered()).DeliveredAt
}

var _ = Story("application", func() {
	itMeets("notices by a heartbeat whatever keeps the peer's process from answering", "heartbeat",
		func(ctx SpecContext, fault Fault, client, server *Host) {
			beat := asking()
			mechanism := fmt.Sprintf("heartbeat: %s + %s", inSeconds(beat.Every), inSeconds(beat.Most))
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			broken.AnswerHeartbeats()
			beating := survivor.StartHeartbeat(beat)
			answer := answered(ctx, survivor, broken, beat, 1)
			struck := fault.Strike(broken, survivor, nil)

			outcome := beating.Within(ctx, beat.Every+beat.Most+Soon)

			expected := atOnce(struck)
			if fault != ProcessKilled {
				asked := first(ctx, survivor, Data().From(survivor).After(answer))
				Expect(asked.At - answer).To(FallIn(timing.Application(beat.Every, "the next heartbeat")))
				expected = notice{late, asked.At, timing.Application(beat.Most, "its answer")}
			}
			if fault == HostRebooted {
				expected = drawnReset(ctx, survivor, struck, Either(Data(), Retransmission()).From(survivor).Carrying("heartbeat 2"))
			}
			judge(mechanism, struck, word(outcome), outcome.At, expected)
		}, SpecPriority(4))

	It("keeps a connection whose other process answers",
		Claim("application/heartbeat-answered"), SpecPriority(4), func(ctx SpecContext) {
			beat := asking()
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			conn.Client.AnswerHeartbeats()
			beating := conn.Server.StartHeartbeat(beat)
			answer := answered(ctx, conn.Server, conn.Client, beat, 1)
			answered(ctx, conn.Server, conn.Client, beat, 3)

			Expect(beating.Blocked(ctx)).To(BeTrue(), "the heartbeat goes on")
			asked := Data().From(server).Carrying("heartbeat ").In(conn.Wire(ctx))
			Expect(asked).To(HaveLen(3))
			Expect(conn.Wire(ctx)).To(ShowTimes(3, Data().From(client).Carrying("alive ")))
			Expect(asked[1].At - answer).To(FallIn(timing.Application(beat.Every, "from an answer to the next heartbeat")))
			Expect(conn.Server.State()).To(Equal(socket.Established))
			Observe("heartbeats", 3)
			Observe("state", conn.Server.State())
		})

	It("finds a frozen process, whose kernel acknowledges every heartbeat and answers every keepalive probe",
		Claim("application/heartbeat-frozen"), SpecPriority(5), func(ctx SpecContext) {
			beat := Heartbeat{Every: 2500 * time.Millisecond, Most: 1500 * time.Millisecond}
			client, server := Pair(ctx)
			frozen, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			survivor.SetKeepaliveOptions(ctx, KeepaliveOptions{Idle: time.Second, Interval: time.Second, Count: 1})
			survivor.KeepAlive(ctx)
			frozen.AnswerHeartbeats()
			beating := survivor.StartHeartbeat(beat)
			answer := answered(ctx, survivor, frozen, beat, 1)
			at := frozen.Freeze()

			outcome := beating.Within(ctx, beat.Every+beat.Most+Soon)
			Expect(word(outcome)).To(Equal(late))
			asked := first(ctx, survivor, Data().From(survivor).After(answer))
			Expect(asked.At - answer).To(FallIn(timing.Application(beat.Every, "the next heartbeat")))
			Expect(outcome.At - asked.At).To(FallIn(timing.Application(beat.Most, "its answer")))
			since := survivor.Wire(ctx).Since(at)
			probes := KeepaliveProbe().From(survivor).Delivered().In(since)
			Expect(probes).ToNot(BeEmpty(), "keepalive asked too")
			Expect(since).To(ShowInOrder(KeepaliveProbe().From(survivor), DuplicateACK().From(frozen).Delivered(),
				Data().From(survivor).Carrying("heartbeat 2"), ACK().From(frozen).Delivered()))
			Expect(since).To(ShowNone(Retransmission()))
			Expect(survivor.State()).To(Equal(socket.Established), "for the kernel all is well")
			Observe("detected_after", outcome.At-at)
			Observe("told", word(outcome))
			Observe("probes", len(probes))
			Observe("state", survivor.State())
		})
})
