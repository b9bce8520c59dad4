package application

import (
	"context"
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

// goIdle and nginxIdle are the idle timeouts that the servers have here; in the defaults profile
// nginx's own.
func goIdle() time.Duration { return InProfile(2*time.Second, 120*time.Second) }

func nginxIdle() (set Nginx, idle time.Duration) {
	return InProfile(Nginx{Keepalive: 2 * time.Second}, Nginx{}), InProfile(2*time.Second, NginxKeepalive)
}

// request is a request of HTTP/1.1 without a body.
func request(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: lab\r\n\r\n" }

// exchange is a request and its response.
type exchange struct{ asked, answered time.Duration }

// isAnswered lets the client make a request and read its response.
func isAnswered(ctx context.Context, client *End) exchange {
	asked := client.Write(ctx, request("/hello"))
	Expect(client.Read(ctx).Data).To(HaveSuffix("hello"), "the response")
	response := client.Sees(ctx, Data().After(asked).That("from the server", func(s wire.Segment) bool { return s.From != client.Name() }))
	return exchange{asked, response.At}
}

// expectEnd expects the server's end of the connection in its time after the exchange. It counts from a
// moment between the request and the response.
func (e exchange) expectEnd(end wire.Segment, idle timing.Window) {
	Expect(end.At - e.asked).To(FallIn(idle.Plus(e.answered - e.asked)))
}

// meetIdleServer lets a fault strike a client that has been answered and keeps its connection.
func meetIdleServer(ctx context.Context, mechanism string, fault Fault, client *Process, server *Program, idle timing.Window) {
	broken, survivor := client.ConnectTo(ctx, server).Split(ClientBreaks)
	last := isAnswered(ctx, broken)
	survivor.Acknowledged(ctx) // or the FIN would wait behind what is in flight
	struck := fault.Strike(broken, survivor, nil)

	end := survivor.SeesWithin(ctx, idle.Ceiling+Soon, Either(FIN(), RST()).From(survivor))
	Expect(end).To(WithTransform(FIN().Matches, BeTrue()), "a FIN")
	Observe("mechanism", mechanism)
	if fault == ProcessKilled {
		Expect(end.At - struck).To(FallIn(timing.Death()))
		Observe("detected_after", end.At-struck)
		Observe("told", endOfFile)
		return
	}
	last.expectEnd(end, idle)
	Observe("released_after", end.At-struck)
}

var _ = Story("application", func() {
	itMeets("closes an idle connection by Go's IdleTimeout, whatever has become of the client", "go-idle-timeout",
		func(ctx SpecContext, fault Fault, client, server *Host) {
			idle := goIdle()
			meetIdleServer(ctx, "Go's IdleTimeout: "+inSeconds(idle), fault, client.StartProcess(),
				server.WebServer(ctx, web.Server{IdleTimeout: idle}), timing.Application(idle, "IdleTimeout"))
		}, SpecPriority(3))

	itMeets("closes an idle connection by nginx's keepalive_timeout, whatever has become of the client", "nginx-keepalive-timeout",
		func(ctx SpecContext, fault Fault, client, server *Host) {
			set, idle := nginxIdle()
			meetIdleServer(ctx, "nginx keepalive_timeout: "+inSeconds(idle), fault, client.StartProcess(),
				server.Nginx(ctx, set), timing.Application(idle, "keepalive_timeout"))
		}, SpecPriority(3))

	// closes proves that an idle timeout counts from the last request, and what it does to whom.
	closes := func(ctx SpecContext, client *Process, server *Program, idle timing.Window) {
		conn := client.ConnectTo(ctx, server)
		first := isAnswered(ctx, conn.Client)
		Elapse(ctx, idle.Floor/2)
		last := isAnswered(ctx, conn.Client)
		reading := conn.Client.StartRead()

		fin := conn.Server.SeesWithin(ctx, idle.Ceiling+Soon, Either(FIN(), RST()).From(conn.Server))
		last.expectEnd(fin, idle)
		Expect(reading.Within(ctx, Soon)).To(ReachEOF())
		Expect(conn.Client.State()).To(Equal(socket.CloseWait))
		Expect(conn.Wire(ctx)).To(ShowTimes(1, FIN().From(conn.Server).Delivered()))
		Expect(conn.Wire(ctx)).To(ShowNone(RST()))
		Observe("idle_closed_after", fin.At-last.asked)
		Observe("closed_after", fin.At-first.asked)
		Observe("window_floor", idle.Floor)
		Observe("window_ceiling", idle.Ceiling)
	}

	It("sends a FIN by keepalive_timeout after the last of two requests, not after the first",
		Claim("application/nginx-keepalive-timeout"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			set, idle := nginxIdle()
			closes(ctx, client.StartProcess(), server.Nginx(ctx, set), timing.Application(idle, "keepalive_timeout"))
		})

	It("sends a FIN by IdleTimeout after the last of two requests, not after the first",
		Claim("application/go-idle-timeout"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			idle := goIdle()
			closes(ctx, client.StartProcess(), server.WebServer(ctx, web.Server{IdleTimeout: idle}), timing.Application(idle, "IdleTimeout"))
		})

	It("waits 75 s for the next request where nothing is configured",
		Claim("application/nginx-default-75s"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closes(ctx, client.StartProcess(), server.Nginx(ctx, Nginx{}), timing.Application(NginxKeepalive, "keepalive_timeout"))
		})

	// healthy proves that nothing was wrong with the client: its kernel acknowledges, its process reads and writes.
	healthy := func(ctx SpecContext, client *Process, server *Program, idle timing.Window) {
		conn := client.ConnectTo(ctx, server)
		last := isAnswered(ctx, conn.Client)
		fin := conn.Server.SeesWithin(ctx, idle.Ceiling+Soon, FIN().From(conn.Server))
		last.expectEnd(fin, idle)
		Expect(conn.Client.Read(ctx)).To(ReachEOF())
		conn.Client.Sees(ctx, ACK().From(conn.Client).After(fin.At).Delivered())
		written := conn.Client.Write(ctx, request("/hello")) // as one does that was about to ask when the FIN came
		reset := conn.Client.Sees(ctx, RST().From(conn.Server).Delivered())
		Expect(conn.Wire(ctx).Since(fin.At)).To(ShowInOrder(
			FIN().From(conn.Server).Delivered(), ACK().From(conn.Client).Delivered(),
			Data().From(conn.Client).Delivered(), RST().From(conn.Server).Delivered()))
		Observe("idle_closed_after", fin.At-last.asked)
		Observe("rst_after", reset.At-written)
	}

	It("takes a healthy client's connection away by nginx's keepalive_timeout, and its next request with it",
		Claim("application/idle-timeout-hits-healthy"), Case("nginx"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			set, idle := nginxIdle()
			healthy(ctx, client.StartProcess(), server.Nginx(ctx, set), timing.Application(idle, "keepalive_timeout"))
		})

	It("takes a healthy client's connection away by Go's IdleTimeout, and its next request with it",
		Claim("application/idle-timeout-hits-healthy"), Case("Go"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			idle := goIdle()
			healthy(ctx, client.StartProcess(), server.WebServer(ctx, web.Server{IdleTimeout: idle}), timing.Application(idle, "IdleTimeout"))
		})

	It("lets a handler of Go's server work for longer than IdleTimeout",
		Claim("application/go-idle-not-while-answering"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			idle := InProfile(time.Second, 120*time.Second)
			working := idle * 3 / 2
			conn := client.StartProcess().ConnectTo(ctx, server.WebServer(ctx, web.Server{IdleTimeout: idle}))
			asked := conn.Client.Write(ctx, request("/slow?"+working.String()))
			answer := conn.Client.SeesWithin(ctx, working+Soon, Either(Data(), FIN(), RST()).From(conn.Server))
			fin := conn.Client.SeesWithin(ctx, idle+Soon, Either(FIN(), RST()).From(conn.Server))

			Expect(conn.Wire(ctx).Since(asked)).To(ShowInOrder(
				Data().From(conn.Client), Data().From(conn.Server), FIN().From(conn.Server).Delivered()))
			Expect(answer.At-asked).To(BeNumerically(">=", working), "the handler works for longer than IdleTimeout")
			Expect(fin.At - answer.At).To(FallIn(timing.Application(idle, "IdleTimeout")))
			Observe("idle_closed_after", fin.At-asked)
		})

	It("closes a pooled connection of Go's client after IdleConnTimeout, from the client's side",
		Claim("application/go-idle-conn-timeout"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			idle := InProfile(2*time.Second, 90*time.Second) // 90 s is what http.DefaultTransport has
			conn := client.WebClient(ctx, web.Client{Path: "/hello", IdleConnTimeout: idle}, server.WebServer(ctx, web.Server{}))
			read := conn.Client.Program.Responded(ctx)
			answer := conn.Client.Sees(ctx, Data().From(server).Delivered())

			fin := conn.Client.SeesWithin(ctx, idle+Soon, Either(FIN(), RST()).From(client))
			conn.Client.Sees(ctx, FIN().From(server).Delivered())
			Expect(fin.At - answer.DeliveredAt).To(FallIn(timing.Application(idle, "IdleConnTimeout").Plus(read - answer.DeliveredAt)))
			Expect(conn.Wire(ctx)).To(ShowInOrder(
				Data().From(client), Data().From(server), FIN().From(client).Delivered(), FIN().From(server).Delivered()))
			Expect(conn.Wire(ctx)).To(ShowNone(RST()))
			Observe("idle_closed_after", fin.At-answer.DeliveredAt)
		})
})
