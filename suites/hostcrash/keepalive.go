package hostcrash

import (
	"context"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// lastWords lets the survivor hear from its peer once more, with keepalive on, and returns when
// that was: where the idle time begins.
func lastWords(ctx context.Context, broken, survivor *End) time.Duration {
	survivor.Host.PinNeighbour(broken.Host)
	survivor.KeepAlive(ctx)
	broken.Write(ctx, "all is well")
	Expect(survivor.Read(ctx)).To(Deliver("all is well"))
	survivor.Sees(ctx, ACK().From(survivor).WithAck(1+uint32(len("all is well"))))
	return survivor.LastReceived(ctx)
}

var _ = Story("host-crash", func() {
	ItOnEitherSide("asks after the idle time, then at each interval, and gives up one interval after the last question",
		Claim("host-crash/keepalive-finds-dead-host"), func(ctx SpecContext, broken, survivor *End) {
			model := survivor.Keepalive()
			heard := lastWords(ctx, broken, survivor)
			reading := survivor.StartRead()
			died := broken.Host.PowerOff()
			found := reading.Within(ctx, model.Detection().Ceiling+Soon)

			Expect(found.At - heard).To(FallIn(model.Detection()))
			probes := KeepaliveProbe().From(survivor).In(survivor.Wire(ctx).Since(died))
			Expect(probes).To(HaveLen(model.Count))
			for i, window := range model.Probes() {
				Expect(probes[i].At - heard).To(FallIn(window))
			}
			Expect(survivor.State()).To(Equal(socket.Gone))
			Observe("detected_after", found.At-died)
			Observe("probes", survivor.Counted("TCPKeepAlive"))
			Observe("keepalive_time", survivor.Timeouts().KeepaliveTime)
			Observe("keepalive_interval", survivor.Timeouts().KeepaliveInterval)
			Observe("keepalive_probes", survivor.Timeouts().KeepaliveProbes)
		}, SpecPriority(4))

	It("wakes the application in read(2) with ETIMEDOUT, though it has sent nothing that could time out",
		Claim("host-crash/keepalive-dead-host-etimedout"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			lastWords(ctx, broken, survivor)
			reading := survivor.StartRead()
			died := broken.Host.PowerOff()
			found := reading.Within(ctx, survivor.Keepalive().Detection().Ceiling+Soon)

			Expect(found).To(FailWith(unix.ETIMEDOUT))
			Expect(survivor.Counted("TCPAbortOnTimeout")).To(Equal(1), "TCPAbortOnTimeout")
			Observe("detected_after", found.At-died)
			Observe("errno", unix.ErrnoName(found.Errno))
			Observe("aborts_on_timeout", survivor.Counted("TCPAbortOnTimeout"))
		})

	It("says goodbye with a RST after the last probe, which nobody gets",
		Claim("host-crash/keepalive-dead-host-rst"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			lastWords(ctx, broken, survivor)
			reading := survivor.StartRead()
			died := broken.Host.PowerOff()
			reading.Within(ctx, survivor.Keepalive().Detection().Ceiling+Soon)

			var expected []Predicate
			for range survivor.Timeouts().KeepaliveProbes {
				expected = append(expected, KeepaliveProbe().From(survivor).Lost())
			}
			expected = append(expected, RST().From(survivor).Lost())
			Expect(survivor.Wire(ctx).Since(died)).To(ShowExactly(expected...))
			Expect(survivor.Counted("OutRsts")).To(Equal(1), "RSTs counted")
			Observe("probes", survivor.Counted("TCPKeepAlive"))
			Observe("resets", survivor.Counted("OutRsts"))
		})

	ItOnEitherSide("draws a RST from the host that has forgotten the connection",
		Claim("host-crash/keepalive-finds-reboot"), func(ctx SpecContext, broken, survivor *End) {
			model := survivor.Keepalive()
			heard := lastWords(ctx, broken, survivor)
			reading := survivor.StartRead()
			died := broken.Host.PowerOff()
			broken.Host.Reboot()
			found := reading.Within(ctx, model.Detection().Ceiling+Soon)

			Expect(found).To(FailWith(unix.ECONNRESET))
			wire := survivor.Wire(ctx).Since(died)
			exchange := []Predicate{KeepaliveProbe().From(survivor).Delivered(), RST().From(broken).Delivered()}
			missed := KeepaliveProbe().From(survivor).Lost().In(wire) // by a machine, which takes its time to boot
			for range missed {
				exchange = append([]Predicate{KeepaliveProbe().From(survivor).Lost()}, exchange...)
			}
			Expect(wire).To(ShowExactly(exchange...))
			Expect(found.At - heard).To(FallIn(model.Probes()[len(missed)]))
			Observe("detected_after", found.At-died)
			Observe("errno", unix.ErrnoName(found.Errno))
			Observe("probes", survivor.Counted("TCPKeepAlive"))
		})
})
