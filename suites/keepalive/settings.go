package keepalive

import (
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("keepalive", func() {
	It("leaves an idle connection in silence until SO_KEEPALIVE is set, and again once it is cleared",
		Claim("keepalive/off-by-default"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			established := conn.Server.Snapshot().At

			silence := conn.Server.Keepalive().Probes()[0].Ceiling * 3 / 2
			Elapse(ctx, silence)
			Expect(conn.Wire(ctx).Since(established)).To(ShowNone(AnySegment()))
			for _, end := range []*End{conn.Client, conn.Server} {
				Expect(end.Option(ctx, unix.SOL_SOCKET, unix.SO_KEEPALIVE)).To(Equal(0))
				Expect(end.Snapshot().Timer).To(Equal(socket.Timer{}))
				Expect(end.Counted("TCPKeepAlive")).To(Equal(0))
			}

			conn.Server.KeepAlive(ctx)
			Expect(conn.Server.Snapshot().Timer.Kind).To(Equal(socket.Keepalive))
			conn.Server.Set(ctx, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0)
			Expect(conn.Server.Snapshot().Timer).To(Equal(socket.Timer{}))
			Observe("silent_for", silence)
		})

	It("waits two hours before it asks, unless the administrator says otherwise",
		Claim("keepalive/system-defaults"), func(ctx SpecContext) {
			client, server := PairAsShipped(ctx)
			end := Connect(ctx, client, server).Server

			asked := end.KeepAlive(ctx)
			shipped := KeepaliveOptions{Idle: 7200 * time.Second, Interval: 75 * time.Second, Count: 9}
			Expect(end.KeepaliveOptions(ctx)).To(Equal(shipped))
			expectTimer(end, asked)
			observeSettings(end.KeepaliveOptions(ctx))

			server.SetSysctl("net.ipv4.tcp_keepalive_time", 600)
			server.SetSysctl("net.ipv4.tcp_keepalive_intvl", 60)
			server.SetSysctl("net.ipv4.tcp_keepalive_probes", 5)
			changed := KeepaliveOptions{Idle: 600 * time.Second, Interval: 60 * time.Second, Count: 5}
			Expect(end.KeepaliveOptions(ctx)).To(Equal(changed))
		})

	It("finds the dead peer of a socket by that socket's own idle time, interval and count",
		Claim("keepalive/options-override"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			survivor := Connect(ctx, client, server).Server
			neighbour := Connect(ctx, server, client).Client // another socket of the survivor's host
			system := survivor.KeepaliveOptions(ctx)
			own := KeepaliveOptions{Idle: 2 * time.Second, Interval: 2 * time.Second, Count: 1}
			Expect([]any{system.Idle, system.Interval, system.Count}).
				NotTo(ContainElements(BeElementOf(own.Idle, own.Interval, own.Count)), "the system's differ")

			survivor.SetKeepaliveOptions(ctx, own)
			server.Blackhole(client, lab.All)
			asked := survivor.KeepAlive(ctx)
			reading := survivor.StartRead()

			Expect(survivor.KeepaliveOptions(ctx)).To(Equal(own))
			Expect(neighbour.KeepaliveOptions(ctx)).To(Equal(system))
			expectTimer(neighbour, neighbour.KeepAlive(ctx))

			model := survivor.Keepalive()
			outcome := reading.Within(ctx, model.Detection().Ceiling+Soon)
			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			Expect(outcome.At - asked).To(FallIn(model.Detection()))
			since := survivor.Wire(ctx).Since(asked)
			Expect(since).To(ShowExactly(KeepaliveProbe().From(survivor).Lost(), RST().From(survivor).Lost()))
			Expect(since.Segments()[0].At - asked).To(FallIn(model.Probes()[0]))
			observeSettings(own)
			Observe("detected_after", outcome.At-asked)
		})

	It("answers EINVAL to an idle time, an interval or a count that is zero, negative or too large",
		Claim("keepalive/options-range"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			end := Connect(ctx, client, server).Server
			before := end.KeepaliveOptions(ctx)
			Expect(before).To(Equal(KeepaliveOptions{
				Idle:     end.Timeouts().KeepaliveTime,
				Interval: end.Timeouts().KeepaliveInterval,
				Count:    end.Timeouts().KeepaliveProbes,
			}))

			largest := map[int]int{unix.TCP_KEEPIDLE: 32767, unix.TCP_KEEPINTVL: 32767, unix.TCP_KEEPCNT: 127}
			for option, most := range largest {
				for _, value := range []int{0, -1, most + 1} {
					Expect(end.TrySet(ctx, unix.IPPROTO_TCP, option, value)).To(Equal(unix.EINVAL), "option %d, value %d", option, value)
				}
			}
			Expect(end.KeepaliveOptions(ctx)).To(Equal(before))

			for option, most := range largest {
				for _, value := range []int{1, most} {
					Expect(end.TrySet(ctx, unix.IPPROTO_TCP, option, value)).To(BeZero(), "option %d, value %d", option, value)
					Expect(end.TrySet(ctx, unix.IPPROTO_TCP, option, most+1)).To(Equal(unix.EINVAL), "option %d, value %d", option, most+1)
					Expect(end.Option(ctx, unix.IPPROTO_TCP, option)).To(Equal(value))
				}
			}
		})
})

func observeSettings(options KeepaliveOptions) {
	Observe("keepalive_time", options.Idle)
	Observe("keepalive_interval", options.Interval)
	Observe("keepalive_probes", options.Count)
}
