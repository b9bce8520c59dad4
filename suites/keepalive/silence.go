package keepalive

import (
	"slices"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("keepalive", func() {
	probesASilentPeer := func(ctx SpecContext, survivor, silent *End) {
		survivor.Host.Blackhole(silent.Host, lab.All)
		asked := survivor.KeepAlive(ctx)
		model := survivor.Keepalive()

		survivor.StartRead().Within(ctx, model.Detection().Ceiling+Soon)

		since := survivor.Wire(ctx).Since(asked)
		probe := KeepaliveProbe().From(survivor).Lost()
		Expect(since).To(ShowExactly(append(slices.Repeat([]Predicate{probe}, model.Count), RST().From(survivor))...))
		for i, sent := range probe.In(since) {
			Expect(sent.At - asked).To(FallIn(model.Probes()[i]))
		}
		Expect(survivor.Counted("TCPKeepAlive")).To(Equal(model.Count))
		Observe("probes", len(probe.In(since)))
		Observe("first_probe_after", probe.In(since)[0].At-asked)
	}

	It("asks a silent peer as often as the system says, and no more",
		Claim("keepalive/exact-count"), Case("tcp_keepalive_probes"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			probesASilentPeer(ctx, conn.Server, conn.Client)
		})

	It("asks a silent peer once if the socket says so",
		Claim("keepalive/exact-count"), Case("TCP_KEEPCNT=1"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			options := conn.Server.KeepaliveOptions(ctx)
			options.Count = 1
			conn.Server.SetKeepaliveOptions(ctx, options)
			probesASilentPeer(ctx, conn.Server, conn.Client)
		})

	It("resets the connection when it gives up, and with it a peer that it could not hear",
		Claim("keepalive/exhausted-rst"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			survivor, unheard := conn.Server, conn.Client
			unheard.Host.Blackhole(survivor.Host, lab.All) // its answers alone are lost
			asked := survivor.KeepAlive(ctx)
			model := survivor.Keepalive()

			outcome := unheard.StartRead().Within(ctx, model.Detection().Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Expect(unheard.State()).To(Equal(socket.Gone))
			since := conn.Wire(ctx).Since(asked)
			asks := []Predicate{KeepaliveProbe().From(survivor).Delivered(), DuplicateACK().From(unheard).Lost()}
			reset := RST().From(survivor).Empty().Delivered()
			Expect(since).To(ShowExactly(append(slices.Repeat(asks, model.Count), reset)...))
			last, end := KeepaliveProbe().In(since)[model.Count-1], RST().In(since)[0]
			Expect(end.At - last.At).To(FallIn(model.Gap()))
			Expect(end.At - asked).To(FallIn(model.Detection()))
			Expect(survivor.Counted("OutRsts")).To(Equal(1))
			Observe("resets", 1)
			Observe("rst_after", end.At-last.At)
		})

	It("tells a waiting application that the connection timed out, one interval after the last probe",
		Claim("keepalive/exhausted-etimedout"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			survivor, silent := conn.Server, conn.Client
			survivor.Host.Blackhole(silent.Host, lab.All)
			asked := survivor.KeepAlive(ctx)
			window := survivor.Keepalive().Detection()

			outcome := survivor.StartRead().Within(ctx, window.Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			Expect(outcome.At - asked).To(FallIn(window))
			Expect(survivor.State()).To(Equal(socket.Gone))
			Expect(survivor.Counted("TCPAbortOnTimeout")).To(Equal(1))
			Expect(survivor.Counted("EstabResets")).To(Equal(1))
			Expect(survivor.Read(ctx)).To(ReachEOF(), "an error is told once")
			Expect(survivor.TryWrite(ctx, "still there?")).To(FailWith(unix.EPIPE))
			Expect(silent.State()).To(Equal(socket.Established), "nobody could tell the peer")
			Observe("detected_after", outcome.At-asked)
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("window_floor", window.Floor)
			Observe("window_ceiling", window.Ceiling)
		})

	It("goes on with a peer that answers the probe after a lost one",
		Claim("keepalive/one-lost-probe"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			survivor, peer := conn.Server, conn.Client
			hole := survivor.Host.Blackhole(peer.Host, lab.All)
			asked := survivor.KeepAlive(ctx)
			model := survivor.Keepalive()

			lost := survivor.SeesWithin(ctx, model.Probes()[0].Ceiling+Soon, KeepaliveProbe().From(survivor))
			hole.Remove()
			answer := ACK().From(peer).After(lost.At).Delivered()
			survivor.SeesWithin(ctx, model.Gap().Ceiling+Soon, answer)

			since := conn.Wire(ctx).Since(asked)
			Expect(since).To(ShowExactly(
				KeepaliveProbe().From(survivor).Lost(),
				KeepaliveProbe().From(survivor).Delivered(), DuplicateACK().From(peer).Delivered()))
			second := KeepaliveProbe().In(since)[1]
			Expect(second.At - asked).To(FallIn(model.Probes()[1]))
			Expect(survivor.Snapshot().Timer.Count).To(Equal(0), "probes without an answer")
			Expect(survivor.State()).To(Equal(socket.Established))
			survivor.Write(ctx, "still there?")
			Expect(peer.Read(ctx)).To(Deliver("still there?"))
			peer.Write(ctx, "still here")
			Expect(survivor.Read(ctx)).To(Deliver("still here"))
			Observe("probes", 2)
			Observe("probes_answered", 1)
			Observe("probe_interval", second.At-lost.At)
		})

	It("gives up with ETIMEDOUT although each probe is answered that the host cannot be reached",
		Claim("keepalive/soft-errors-keep-errno"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			survivor, broken := conn.Server, conn.Client
			broken.Host.FirewallRejecting(lab.WithHostUnreachable)
			asked := survivor.KeepAlive(ctx)
			model := survivor.Keepalive()

			outcome := survivor.StartRead().Within(ctx, model.Detection().Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			Expect(outcome.At - asked).To(FallIn(model.Detection()))
			since := conn.Wire(ctx).Since(asked)
			probe := KeepaliveProbe().From(survivor).Delivered()
			Expect(since).To(ShowExactly(append(slices.Repeat([]Predicate{probe}, model.Count), RST().From(survivor))...))
			Expect(len(since.ICMPErrors())).To(BeNumerically(">=", model.Count), "each probe was refused")
			Expect(survivor.Counted("OutOfWindowIcmps")).To(Equal(model.Count))
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("out_of_window_icmps", survivor.Counted("OutOfWindowIcmps"))
			Observe("detected_after", outcome.At-asked)
		})
})
