package keepalive

import (
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("keepalive", func() {
	It("is silent for as long as retransmissions ask the same question, and resumes an idle time after the answer",
		Claim("keepalive/none-while-unacknowledged"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			survivor, peer := conn.Server, conn.Client
			// Short enough that data can be under way for longer than that, in any profile.
			survivor.SetKeepaliveOptions(ctx, KeepaliveOptions{Idle: time.Second, Interval: time.Second, Count: 1})
			survivor.KeepAlive(ctx)
			first := survivor.Keepalive().Probes()[0]
			hole := survivor.Host.Blackhole(peer.Host, lab.All)
			written := survivor.Write(ctx, "are you there?")

			Elapse(ctx, first.Ceiling*3/2)
			unanswered := conn.Wire(ctx).Since(written)
			Expect(unanswered).To(ShowOnly(Data().From(survivor).Lost(), Retransmission().From(survivor).Lost()))
			Expect(unanswered).To(ShowInOrder(Data(), Retransmission()))
			Expect(survivor.Snapshot().Timer.Kind).To(Equal(socket.Retransmission))
			Expect(survivor.Counted("TCPKeepAlive")).To(Equal(0))

			hole.Remove()
			healed := survivor.SeesWithin(ctx, survivor.Retransmission().RTO+Soon, ACK().From(peer).After(written).Delivered())
			probe := survivor.SeesWithin(ctx, first.Ceiling+Soon, KeepaliveProbe().From(survivor))
			Expect(conn.Wire(ctx).Since(written)).To(ShowInOrder(
				Retransmission().From(survivor).Delivered(), ACK().From(peer), KeepaliveProbe().From(survivor)))
			Expect(conn.Wire(ctx)).To(ShowNone(KeepaliveProbe().Before(healed.At)))
			Expect(probe.At - healed.DeliveredAt).To(FallIn(first))
			Expect(peer.Read(ctx)).To(Deliver("are you there?"))
			Observe("silent_for", healed.DeliveredAt-written)
			Observe("retransmissions", len(Retransmission().In(conn.Wire(ctx))))
			Observe("first_probe_after", probe.At-healed.DeliveredAt)
		})
})
