package keepalive

import (
	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("keepalive", func() {
	It("asks with a number that the peer has acknowledged, and so must acknowledge again",
		Claim("keepalive/probe-segment"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			asking, peer := conn.Server, conn.Client
			asking.KeepAlive(ctx)
			asking.Write(ctx, "anybody there?") // relative 1 to 14, so that SND.UNA is 15
			Expect(peer.Read(ctx)).To(Deliver("anybody there?"))
			peer.Write(ctx, "yes") // relative 1 to 3, so that RCV.NXT is 4
			Expect(asking.Read(ctx)).To(Deliver("yes"))
			acknowledged := asking.Sees(ctx, ACK().From(asking).WithSeq(15).WithAck(4))

			first := asking.Keepalive().Probes()[0]
			asking.SeesWithin(ctx, first.Ceiling+Soon, ACK().From(peer).After(acknowledged.At).Delivered())

			Expect(conn.Wire(ctx).Since(acknowledged.At)).To(ShowExactly(
				ACK().From(asking),
				KeepaliveProbe().From(asking).Empty().WithSeq(14).WithAck(4).That("with no flag but ACK", onlyACK),
				ACK().From(peer).WithSeq(4).WithAck(15).Delivered(),
			))
			Expect(asking.Counted("TCPKeepAlive")).To(Equal(1))
			probe := KeepaliveProbe().In(conn.Wire(ctx))[0]
			last := Data().From(peer).In(conn.Wire(ctx))[0]
			Expect(probe.At - last.DeliveredAt).To(FallIn(first))
			Observe("first_probe_after", probe.At-last.DeliveredAt)
		})

	It("asks a peer that answers once in each idle time, however short the interval is",
		Claim("keepalive/answer-restarts-idle"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			asking, peer := conn.Server, conn.Client
			// A second probe that came by the interval would come in half the time.
			options := asking.KeepaliveOptions(ctx)
			options.Idle = max(options.Idle, 2*options.Interval)
			asking.SetKeepaliveOptions(ctx, options)
			asked := asking.KeepAlive(ctx)

			idle := asking.Keepalive().Probes()[0]
			answer := DuplicateACK().From(peer).Delivered()
			answered := asking.SeesWithin(ctx, idle.Ceiling+Soon, answer)
			asking.SeesWithin(ctx, idle.Ceiling+Soon, answer.After(answered.At))

			since := conn.Wire(ctx).Since(asked)
			Expect(since).To(ShowExactly(
				KeepaliveProbe().From(asking), answer,
				KeepaliveProbe().From(asking), answer,
			))
			probes := KeepaliveProbe().In(since)
			Expect(probes[0].At - asked).To(FallIn(idle))
			Expect(probes[1].At - answered.DeliveredAt).To(FallIn(idle))
			Expect(asking.Counted("TCPKeepAlive")).To(Equal(2))
			snapshot := asking.Snapshot()
			Expect(snapshot.State).To(Equal(socket.Established))
			Expect(snapshot.Timer.Count).To(Equal(0), "probes without an answer")
			Observe("probes", len(probes))
			Observe("probes_answered", 2)
			Observe("probe_interval", probes[1].At-probes[0].At)
		})

	It("gets its answer from the kernel of a peer whose process is stopped",
		Claim("keepalive/frozen-process-answers"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			survivor, frozen := conn.Server, conn.Client
			frozen.Process.Freeze()
			asked := survivor.KeepAlive(ctx)

			answer := ACK().From(frozen).After(asked).Delivered()
			survivor.SeesWithin(ctx, survivor.Keepalive().Probes()[0].Ceiling+Soon, answer)

			Expect(conn.Wire(ctx).Since(asked)).To(ShowExactly(
				KeepaliveProbe().From(survivor).Delivered(), DuplicateACK().From(frozen).Delivered()))
			Expect(survivor.Counted("TCPKeepAlive")).To(Equal(1))
			snapshot := survivor.Snapshot()
			Expect(snapshot.State).To(Equal(socket.Established))
			Expect(snapshot.Timer.Kind).To(Equal(socket.Keepalive))
			Expect(snapshot.Timer.Count).To(Equal(0), "probes without an answer")
			Observe("probes", 1)
			Observe("probes_answered", 1)
			Observe("state", snapshot.State)
		})
})

func onlyACK(s wire.Segment) bool { return s.Flags == wire.FlagACK }
