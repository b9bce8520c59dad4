package middlebox

import (
	"slices"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("middlebox", func() {
	It("is reminded of the connection by each keepalive probe that comes in time",
		Claim("middlebox/keepalive-keeps-entry"), SpecPriority(6), func(ctx SpecContext) {
			client, router, server := RoutedPair(ctx)
			router.Firewall()
			router.KnowsNoPickup() // what is forgotten stays forgotten
			timeout := router.ForgetIdleSoon()
			conn := Connect(ctx, client, server)
			conn.Client.SetKeepaliveOptions(ctx, KeepaliveOptions{Idle: timeout / 2, Interval: timeout / 2, Count: 3})
			asked := conn.Client.KeepAlive(ctx)
			for range 5 {
				conn.Client.SeesNext(ctx, timeout, KeepaliveProbe().From(client).Delivered())
			}

			Expect(conn.Client.Counted("TCPKeepAlive")).To(BeNumerically(">=", 5))
			Expect(router.Entry(conn).State).To(Equal(lab.EntryEstablished))
			written := conn.Client.Write(ctx, "still there?")
			Expect(conn.Server.Read(ctx)).To(Deliver("still there?"))
			kept := written - asked
			Expect(kept).To(BeNumerically(">", 2*timeout))
			Expect(conn.Wire(ctx).Since(asked)).To(ShowNone(Either(AnySegment().Lost(), RST())))
			Observe("entry_timeout", timeout)
			Observe("kept_for", kept)
			Observe("probes", len(KeepaliveProbe().From(client).In(conn.Wire(ctx).Since(asked))))
		})

	It("drops the probes that come too late, and the RST at their end",
		Claim("middlebox/late-keepalive-dropped"), SpecPriority(7), func(ctx SpecContext) {
			client, router, server := RoutedPair(ctx)
			router.Firewall()
			router.KnowsNoPickup()
			timeout := router.ForgetIdleSoon()
			conn := Connect(ctx, client, server)
			conn.Client.SetKeepaliveOptions(ctx, KeepaliveOptions{Idle: 2 * timeout, Interval: timeout / 2, Count: 2})
			reading, waiting := conn.Client.StartRead(), conn.Server.StartRead()
			asked := conn.Client.KeepAlive(ctx)
			model := conn.Client.Keepalive()
			outcome := reading.Within(ctx, model.Detection().Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			Expect(outcome.At - asked).To(FallIn(model.Detection()))
			probe := KeepaliveProbe().From(client).DroppedBy(router)
			Expect(conn.Wire(ctx).Since(asked)).To(ShowExactly(
				append(slices.Repeat([]Predicate{probe}, model.Count), RST().From(client).DroppedBy(router))...))
			Expect(conn.Server.State()).To(Equal(socket.Established))
			Expect(waiting.Blocked(ctx)).To(BeTrue(), "nobody has told the server")
			Observe("detected_after", outcome.At-asked)
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("entry_timeout", timeout)
			Observe("other_state", conn.Server.State())
		})

	It("takes even a late probe for the beginning of a connection, where the client's side may begin one",
		Claim("middlebox/late-keepalive-picked-up"), SpecPriority(4), func(ctx SpecContext) {
			client, router, server := RoutedPair(ctx)
			router.Firewall()
			timeout := router.ForgetIdleSoon()
			conn := Connect(ctx, client, server)
			conn.Client.SetKeepaliveOptions(ctx, KeepaliveOptions{Idle: 2 * timeout, Interval: timeout / 2, Count: 2})
			asked := conn.Client.KeepAlive(ctx)
			router.Expire(ctx, conn, timeout)
			probe := conn.Client.SeesWithin(ctx, conn.Client.Keepalive().Probes()[0].Ceiling+Soon, KeepaliveProbe().From(client))
			conn.Client.Sees(ctx, ACK().From(server).After(probe.At).Delivered())

			Expect(conn.Wire(ctx).Since(asked)).To(ShowExactly(KeepaliveProbe().From(client).Delivered(), ACK().From(server).Delivered()))
			Expect(router.Life(ctx, conn)).To(BeSetTo(afterPickup(router)))
			Observe("first_probe_after", probe.At-asked)
			Observe("entry_timeout", timeout)
		})

	It("lets a NAT that keeps to the least of RFC 5382 live with the two hours that keepalive is shipped with",
		Claim("middlebox/least-nat-timeout"), SpecPriority(8), func(ctx SpecContext) {
			client, router, server := RoutedPair(ctx)
			router.Masquerade()
			router.KnowsNoPickup()
			router.SetIdleTimeout(LeastNATTimeout)
			conn := Connect(ctx, client, server)
			asked := conn.Client.KeepAlive(ctx)
			for range 3 {
				conn.Client.SeesNext(ctx, LeastNATTimeout, KeepaliveProbe().From(client).Delivered())
			}
			conn.Client.Acknowledged(ctx)

			probes := KeepaliveProbe().From(client).In(conn.Wire(ctx).Since(asked))
			Expect(conn.Wire(ctx).Since(asked)).To(ShowNone(Either(AnySegment().Lost(), RST())))
			Expect(router.Life(ctx, conn)).To(BeSetTo(LeastNATTimeout))
			longest := time.Duration(0)
			for i, probe := range probes {
				if i > 0 {
					longest = max(longest, probe.At-probes[i-1].At)
				}
			}
			Expect(longest).To(And(BeNumerically(">=", 2*time.Hour), BeNumerically("<", LeastNATTimeout)))
			Observe("probe_interval", longest)
			Observe("entry_timeout", LeastNATTimeout)
			Observe("probes", len(probes))
		})
})
