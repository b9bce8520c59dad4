package cable

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("cable", func() {
	It("goes on asking at the times that the settings give, though nothing can answer",
		Claim("cable/keepalive-probes"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			survivor.Host.PinNeighbour(broken.Host) // else address resolution fails before the first probe
			idleSince := survivor.KeepAlive(ctx)
			windows := survivor.Keepalive().Probes()

			unplugged := broken.Host.Unplug()
			last := idleSince
			for _, window := range windows {
				last = survivor.SeesWithin(ctx, window.Ceiling, KeepaliveProbe().From(survivor).After(last)).At
				Expect(last - idleSince).To(FallIn(window))
			}

			Expect(survivor.Wire(ctx).Since(unplugged)).To(ShowTimes(len(windows), KeepaliveProbe().From(survivor).Empty().Lost()))
			Expect(survivor.Wire(ctx).Since(unplugged)).To(ShowNone(Either(AnySegment().From(broken), AnySegment().Delivered())))
			Observe("probes", len(windows))
		})

	It("waits out the whole idle time anew after a probe that was answered",
		Claim("cable/keepalive-answer-resets-idle"), SpecPriority(5), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			// An idle time that cannot be taken for the interval.
			options := survivor.KeepaliveOptions(ctx)
			options.Idle = 2 * max(options.Idle, options.Interval)
			survivor.SetKeepaliveOptions(ctx, options)
			survivor.KeepAlive(ctx)
			windows := survivor.Keepalive().Probes()

			broken.Host.Unplug()
			survivor.SeesWithin(ctx, windows[0].Ceiling+Soon, KeepaliveProbe().From(survivor))
			Expect(survivor.Snapshot().Timer.Count).To(BeNumerically(">", 0), "probes without an answer")
			replugged := broken.Host.Replug()
			answered := survivor.SeesWithin(ctx, windows[1].Ceiling+Soon, KeepaliveProbe().From(survivor).After(replugged).Delivered())
			answer := survivor.Sees(ctx, ACK().From(broken).After(answered.At).Delivered())
			next := survivor.SeesWithin(ctx, windows[0].Ceiling+Soon, KeepaliveProbe().From(survivor).After(answer.At).Delivered())

			Expect(next.At - answer.DeliveredAt).To(FallIn(windows[0]))
			survivor.Sees(ctx, ACK().From(broken).After(next.At).Delivered())
			Expect(survivor.Wire(ctx).Since(answered.At)).To(ShowExactly(
				KeepaliveProbe().From(survivor).Delivered(), ACK().From(broken).Delivered(),
				KeepaliveProbe().From(survivor).Delivered(), ACK().From(broken).Delivered(),
			))
			Expect(survivor.Snapshot().Timer.Count).To(BeZero(), "probes without an answer")
			Observe("first_probe_after", next.At-answer.DeliveredAt)
		})

	It("ends with ETIMEDOUT and a RST that nobody hears, and the side without a cable knows nothing",
		Claim("cable/keepalive-silence-ends"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			survivor.Host.PinNeighbour(broken.Host) // else address resolution fails before the first probe
			idleSince := survivor.KeepAlive(ctx)
			model := survivor.Keepalive()
			reading := survivor.StartRead()

			unplugged := broken.Host.Unplug()
			outcome := reading.Within(ctx, model.Detection().Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			Expect(outcome.At - idleSince).To(FallIn(model.Detection()))
			Expect(survivor.State()).To(Equal(socket.Gone))
			Expect(broken.State()).To(Equal(socket.Established))
			segments := survivor.Wire(ctx).Since(unplugged)
			Expect(segments).To(ShowTimes(model.Count, KeepaliveProbe().From(survivor).Lost()))
			Expect(segments).To(ShowTimes(1, RST().From(survivor).Lost()))
			Expect(segments).To(ShowTimes(model.Count+1, AnySegment()))
			Expect(survivor.Counted("TCPKeepAlive")).To(Equal(model.Count))
			Expect(survivor.Counted("TCPAbortOnTimeout")).To(Equal(1))
			Observe("detected_after", outcome.At-unplugged)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})
})
