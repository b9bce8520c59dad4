package application

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// slowly is a request for the file slow.txt, 4096 bytes, at so many bytes a second.
func slowly(rate int) string { return request(fmt.Sprintf("/slow.txt?rate=%d", rate)) }

// slowness is a keepalive_timeout and a rate at which the response lasts longer.
func slowness() (set Nginx, keepalive time.Duration, rate int) {
	return InProfile(Nginx{Keepalive: time.Second}, Nginx{}), InProfile(time.Second, NginxKeepalive), InProfile(2048, 40)
}

// finished is what nginx says of slow.txt when it has handed the last byte to its kernel.
const finished = "200, 4096 bytes"

var _ = Story("application", func() {
	It("sends a response for longer than keepalive_timeout, and counts from its end",
		Claim("application/nginx-not-while-answering"), SpecPriority(5), func(ctx SpecContext) {
			client, server := Pair(ctx)
			set, keepalive, rate := slowness()
			nginx := server.Nginx(ctx, set)
			conn := client.StartProcess().ConnectTo(ctx, nginx)
			asked := conn.Client.Write(ctx, slowly(rate))
			nginx.SaysWithin(ctx, 2*keepalive+Soon, finished)

			fin := conn.Server.SeesWithin(ctx, keepalive+Soon, Either(FIN(), RST()).From(server))
			end := last(ctx, conn.Server, Data().From(server).Before(fin.At))
			Expect(end.At-asked).To(BeNumerically(">", keepalive), "the response lasts longer than keepalive_timeout")
			Expect(fin.At - end.At).To(FallIn(timing.Application(keepalive, "keepalive_timeout")))
			conn.Client.Reaches(ctx, socket.CloseWait)
			Expect(conn.Wire(ctx)).To(ShowNone(RST()))
			Observe("idle_closed_after", fin.At-asked)
		})

	for _, each := range []struct {
		client string
		dies   bool
	}{{"lives", false}, {"dies with its host", true}} {
		It("gives half a request the time of client_header_timeout since the connection, to a client that "+each.client,
			Claim("application/nginx-header-timeout"), Case("the client %s", each.client), SpecPriority(4), func(ctx SpecContext) {
				client, server := Pair(ctx)
				server.PinNeighbour(client)
				set := InProfile(Nginx{Keepalive: time.Second, Header: 3 * time.Second}, Nginx{})
				patience := InProfile(set.Header, NginxHeader)
				conn := client.StartProcess().ConnectTo(ctx, server.Nginx(ctx, set))
				connected := conn.Client.Sees(ctx, HandshakeACK().From(client))
				half := conn.Client.Write(ctx, "GET /hello HTTP/1.1\r\nHost: ")
				conn.Client.Sees(ctx, ACK().From(server).After(half).Delivered())
				if each.dies {
					client.PowerOff()
				}

				fin := conn.Server.SeesWithin(ctx, patience+Soon, Either(Data(), FIN(), RST()).From(server))
				Expect(fin).To(WithTransform(FIN().Empty().Matches, BeTrue()), "a FIN without a response")
				Expect(fin.At - connected.At).To(FallIn(timing.Application(patience, "client_header_timeout")))
				conn.Server.Program.SaysWithin(ctx, Soon, "client timed out")
				if !each.dies {
					Expect(conn.Client.Read(ctx)).To(ReachEOF())
				}
				Observe("expired_after", fin.At-connected.At)
			})
	}

	It("goes on with its response to a client that has died, and counts it as finished",
		Claim("application/nginx-answers-the-dead"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			server.PinNeighbour(client)
			_, keepalive, rate := slowness()
			nginx := server.Nginx(ctx, Nginx{}) // which keeps the connection for long enough to be looked at
			conn := client.StartProcess().ConnectTo(ctx, nginx)
			conn.Client.Write(ctx, slowly(rate))
			conn.Client.Read(ctx) // the beginning
			died := client.PowerOff()

			at := nginx.SaysWithin(ctx, 2*keepalive+Soon, finished)
			after := conn.Server.Snapshot()
			Expect(after.State).To(Equal(socket.Established))
			Expect(after.SendQueue).To(BeNumerically(">", 0), "bytes that nobody has acknowledged")
			conn.Server.Sees(ctx, Retransmission().From(server).Lost()) // the last part may be all that was sent since
			since := conn.Wire(ctx).Since(died)
			Expect(since).To(ShowInOrder(Data().From(server).Lost(), Retransmission().From(server).Lost()))
			Expect(since).To(ShowNone(FIN()))
			Observe("undetected_for", at-died)
			Observe("state", after.State)
		})

	// refused lets nginx answer the first of many requests and close. It reads as much at once as the
	// buffer for a request's head takes (client_header_buffer_size, 1 KiB), and leaves the others unread.
	refused := func(ctx SpecContext, path string) *Connection {
		client, server := Pair(ctx)
		conn := client.StartProcess().ConnectTo(ctx, server.Nginx(ctx, Nginx{}))
		conn.Client.Write(ctx, request(path)+strings.Repeat(request("/hello"), 200))
		Expect(conn.Client.Read(ctx).Data).To(ContainSubstring("403 Forbidden"))
		return conn
	}

	It("leaves a RST where it closes with requests unread",
		Claim("application/nginx-unread-rst"), func(ctx SpecContext) {
			conn := refused(ctx, "/refuse")
			conn.Client.Sees(ctx, RST().From(conn.Server).Delivered())
			Expect(conn.Server.State()).To(Equal(socket.Gone))
			Expect(conn.Wire(ctx)).To(ShowNone(FIN().From(conn.Server)))
			Observe("aborts_on_close", conn.Server.Counted("TCPAbortOnClose"))
		})

	It("reads the requests that it does not answer, and leaves a FIN, where it lingers as it does by default",
		Claim("application/nginx-lingering-fin"), func(ctx SpecContext) {
			conn := refused(ctx, "/refuse-lingering")
			fin := conn.Client.Sees(ctx, Either(FIN(), RST()).From(conn.Server).Delivered())
			Expect(fin).To(WithTransform(FIN().Matches, BeTrue()), "a FIN")
			Expect(conn.Client.Read(ctx)).To(ReachEOF())
			conn.Client.Close(ctx)
			conn.Client.Sees(ctx, ACK().From(conn.Server).After(fin.At).Delivered())
			Expect(conn.Wire(ctx)).To(ShowNone(RST()))
			Observe("aborts_on_close", conn.Server.Counted("TCPAbortOnClose"))
		})
})
