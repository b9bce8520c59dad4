package stage

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/web"
)

// WebServer starts Go's web server on the host, on the lab's server port.
func (h *Host) WebServer(ctx context.Context, server web.Server) *Program {
	server.Address = netip.AddrPortFrom(h.Address(), serverPort).String()
	if h.scene.sabotaged("application-timeout-off") {
		server.IdleTimeout, server.Ping = 0, web.Ping{}
	}
	started := h.startProgram("Go's web server", serverPort, server.Start)
	started.awaits(ctx, Soon, "that it listens", process.Tells(web.Listening, ""))
	return started
}

// WebClient starts Go's web client on the host, lets it send its request, and returns the
// connection when the request has reached the server.
func (h *Host) WebClient(ctx context.Context, client web.Client, server *Program) *Connection {
	client.Local = netip.AddrPortFrom(h.Address(), clientPort).String()
	client.Server = server.address.String()
	if h.scene.sabotaged("application-timeout-off") {
		client.IdleConnTimeout, client.Ping = 0, web.Ping{}
	}
	started := h.startProgram("Go's web client", clientPort, client.Start)
	server.awaits(ctx, Soon, "that it has a request", process.Tells(web.Requested, client.Path))
	h.scene.settle(ctx)
	return h.scene.between(ctx, started.newEnd(server.address), server.newEnd(started.address))
}

// Responded waits, within Soon, until Go's web client has read its response, and returns when that was.
func (p *Program) Responded(ctx context.Context) (at time.Duration) {
	event, _ := p.awaits(ctx, Soon, "that it has a response", process.Tells(web.Responded, "")).Event()
	return event.At
}

// Failure is how a request of Go's web client failed.
type Failure struct {
	Why string        // an errno's name, or the end of Go's sentence
	At  time.Duration // monotonic, in the client
}

// FailsWithin waits until the request of Go's web client fails, at most so long.
func (p *Program) FailsWithin(ctx context.Context, patience time.Duration) Failure {
	event, _ := p.awaits(ctx, patience, "that its request failed", process.Tells(web.Failed, "")).Event()
	why := event.Text[strings.LastIndex(event.Text, ": ")+1:]
	why = strings.TrimSpace(why)
	if why == unix.ECONNRESET.Error() {
		why = unix.ErrnoName(unix.ECONNRESET)
	}
	return Failure{Why: why, At: event.At}
}

// Failed tells whether the request of Go's web client has failed.
func (p *Program) Failed() bool {
	return slices.ContainsFunc(p.program.Lines(), process.Tells(web.Failed, ""))
}
