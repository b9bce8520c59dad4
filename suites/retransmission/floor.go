package retransmission

import (
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// One floor below the kernel's own 200 ms and one above it.
const (
	low  = 50 * time.Millisecond
	high = 300 * time.Millisecond
)

var _ = Story("retransmission", func() {
	It("sends the first copy one floor and one round trip after the write, whatever floor each host has",
		Claim("retransmission/rto-min-sysctl"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_early_retrans", 0) // the first copy is a timeout's
			server.SetSysctl("net.ipv4.tcp_early_retrans", 0)
			client.SetSysctl("net.ipv4.tcp_rto_min_us", int(low.Microseconds()))
			server.SetSysctl("net.ipv4.tcp_rto_min_us", int(high.Microseconds()))
			conn := Connect(ctx, client, server)

			conn.Client.Host.Blackhole(server, lab.All)
			conn.Server.Host.Blackhole(client, lab.All)
			expectFloor(ctx, conn.Server, high)
			observeFloor(expectFloor(ctx, conn.Client, low))
		})

	It("takes the route's floor, although system and socket have their own",
		Claim("retransmission/rto-min-route"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_early_retrans", 0)
			if client.Has("tcp_rto_min_us") {
				client.SetSysctl("net.ipv4.tcp_rto_min_us", int(high.Microseconds()))
			}
			client.RouteMinimumRTO(low)
			conn := Connect(ctx, client, server)
			if client.Has("TCP_RTO_MIN_US") {
				conn.Client.Set(ctx, unix.IPPROTO_TCP, unix.TCP_RTO_MIN_US, int(2*low.Microseconds()))
			}

			conn.Client.Host.Blackhole(server, lab.All)
			observeFloor(expectFloor(ctx, conn.Client, low))
		})
})

// floorSeen is what a floor of the retransmission timeout led to.
type floorSeen struct{ floor, rto, rtt, firstCopy time.Duration }

func observeFloor(seen floorSeen) {
	Observe("rto_min", seen.floor)
	Observe("rto", seen.rto)
	Observe("rtt", seen.rtt)
	Observe("first_retransmission_after", seen.firstCopy)
}

// expectFloor expects a timeout of the round trip and the floor: of a round trip so short, the
// variance is below any floor.
func expectFloor(ctx SpecContext, writer *End, floor time.Duration) floorSeen {
	model := writer.Retransmission()
	info := writer.Snapshot().Info
	Expect(info.RTO).To(Equal(timing.RTO(info.SRTT, 4*info.RTTVar, floor, 0, model.Wheel)), "the timeout that this round trip and floor give")

	written := writer.Write(ctx, "are you there?")
	copies := writer.SeesCopies(ctx, written, model.Intervals()[:1])
	Expect(copies).To(Gaps(OnRealClock(model.Intervals()[:1])...))
	return floorSeen{floor: floor, rto: info.RTO, rtt: info.SRTT, firstCopy: copies[1].At - copies[0].At}
}
