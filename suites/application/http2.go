package application

import (
	"fmt"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/web"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// pinging is HTTP/2's heartbeat as a client may have it.
func pinging() web.Ping {
	return InProfile(
		web.Ping{After: time.Second, Timeout: time.Second},
		web.Ping{After: 30 * time.Second, Timeout: 15 * time.Second})
}

// settingsACK is the frame that ends either side's part of the opening (RFC 9113 6.5).
const settingsACK = "\x00\x00\x00\x04\x01\x00\x00\x00\x00"

// waitForever lets Go's client ask Go's server, over HTTP/2, for what never comes, and returns the
// connection when nothing is in flight on it any more.
func waitForever(ctx SpecContext, client, server *Host, ping web.Ping) *Connection {
	conn := client.WebClient(ctx, web.Client{Path: "/hold", HTTP2: true, Ping: ping}, server.WebServer(ctx, web.Server{HTTP2: true}))
	for _, end := range []*End{conn.Client, conn.Server} {
		end.Sees(ctx, Data().From(end).Carrying(settingsACK).Delivered())
	}
	conn.Client.Acknowledged(ctx)
	conn.Server.Acknowledged(ctx)
	return conn
}

// pings are frames of the type PING (RFC 9113 4.1 and 6.7), answers among them.
func pings() Predicate {
	return Data().That("with a PING", func(s wire.Segment) bool {
		const head, typeAt, ping = 9, 3, 0x06
		return len(s.Payload) >= head && s.Payload[typeAt] == ping
	})
}

var _ = Story("application", func() {
	itMeets("notices by HTTP/2's PING, after both of its times together, a server that does not answer", "http2-ping",
		func(ctx SpecContext, fault Fault, client, server *Host) {
			ping := pinging()
			conn := waitForever(ctx, client, server, ping)
			broken, survivor := conn.Split(ServerBreaks)
			struck := fault.Strike(broken, survivor, nil)
			failure := survivor.Program.FailsWithin(ctx, ping.After+ping.Timeout+Soon)

			expected := notice{"unexpected EOF", struck, timing.Death()}
			if fault != ProcessKilled {
				// It counts from the last frame, and an acknowledgement without one may come later. The PING's
				// own time begins before the PING is written, so that a late one makes the whole no longer.
				frame := last(ctx, survivor, Data().From(broken).Delivered()).DeliveredAt
				asked := first(ctx, survivor, pings().From(survivor))
				Expect(asked.At - frame).To(FallIn(timing.Application(ping.After, "PING")))
				both := timing.Application(ping.After+ping.Timeout, "PING and its answer")
				expected = notice{"client connection lost", frame, both.Plus(max(asked.At-frame-ping.After, 0))}
			}
			if fault == HostRebooted {
				expected = drawnReset(ctx, survivor, struck, Either(pings(), Retransmission()).From(survivor))
			}
			judge(fmt.Sprintf("HTTP/2 PING: %s + %s", inSeconds(ping.After), inSeconds(ping.Timeout)), struck, failure.Why, failure.At, expected)
		}, SpecPriority(4))

	It("keeps a connection on which the server answers each PING, with a request that waits",
		Claim("application/http2-ping-answered"), SpecPriority(4), func(ctx SpecContext) {
			ping := pinging()
			client, server := Pair(ctx)
			conn := waitForever(ctx, client, server, ping)
			answer := conn.Client.SeesWithin(ctx, ping.After+Soon, pings().From(server).Delivered())
			again := conn.Client.SeesWithin(ctx, ping.After+Soon, pings().From(client).After(answer.At))
			conn.Client.Sees(ctx, pings().From(server).After(again.At).Delivered())

			Expect(conn.Wire(ctx)).To(ShowInOrder(
				pings().From(client).Delivered(), pings().From(server).Delivered(),
				pings().From(client).Delivered(), pings().From(server).Delivered()))
			Expect(again.At - answer.DeliveredAt).To(FallIn(timing.Application(ping.After, "from an answer to the next PING")))
			Expect(conn.Client.Program.Failed()).To(BeFalse(), "the request still waits")
			Expect(conn.Client.State()).To(Equal(socket.Established))
			Observe("heartbeats", 2)
			Observe("state", conn.Client.State())
		})
})
