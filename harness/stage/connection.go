package stage

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/socket"
	"github.com/halfopen/halfopen/harness/spec"
)

// Ports are fixed, so that two runs put the same bytes on the wire.
const (
	serverPort = 7000
	clientPort = 50000
)

// Connection is an established connection, each end held by a process of its own.
type Connection struct {
	Client, Server *End
	Listener       *Listener
}

// Connect starts a process on each host and establishes a connection between them. The options
// are set on both sockets before connect(2) and listen(2).
func Connect(ctx context.Context, client, server *Host, options ...process.Option) *Connection {
	listener := server.StartProcess().Listen(ctx, options...)
	return client.StartProcess().Connect(ctx, listener, options...)
}

// Split names the ends by what happens to them.
func (c *Connection) Split(side Side) (broken, survivor *End) {
	if side == ServerBreaks {
		return c.Server, c.Client
	}
	return c.Client, c.Server
}

// End is one side of a connection: a host, a process or a program on it, and the socket that it holds.
type End struct {
	Host    *Host
	Process *Process // nil where a program holds the socket: it does what it was written for
	Program *Program // nil where a process does what the spec says

	socket        *process.Socket // of a Process
	local, remote netip.AddrPort
	timeouts      func() kernel.Timeouts // see Timeouts
	seen          socket.State           // the last state noted

	keepalive   *KeepaliveOptions // set by the spec; nil where the host's settings hold
	userTimeout time.Duration     // TCP_USER_TIMEOUT set by the spec
}

func (e *End) String() string { return e.Host.Name() }

// Name is the host's, so that an end can be named where packets are matched.
func (e *End) Name() string { return e.Host.Name() }

// Local is the end's own address and port, Remote those that it knows its peer by: a NAT's where there is
// one in between.
func (e *End) Local() netip.AddrPort { return e.local }

// Remote is the peer's address and port as this end knows them.
func (e *End) Remote() netip.AddrPort { return e.remote }

// newEnd makes an end of an established socket.
func (p *Process) newEnd(s *process.Socket) *End {
	end := &End{Host: p.host, Process: p, socket: s, local: s.Local(), remote: s.Remote()}
	end.join()
	return end
}

// join makes the end one of the scene's, established from now on.
func (e *End) join() {
	e.seen, e.timeouts = socket.Established, sync.OnceValue(e.Host.Timeouts)
	e.Host.scene.ends = append(e.Host.scene.ends, e)
}

// Connect connects the process to a listener on another host and accepts the connection there.
func (p *Process) Connect(ctx context.Context, listener *Listener, options ...process.Option) *Connection {
	client := p.Dial(ctx, listener, options...)
	server := listener.Accept(ctx)
	// The handshake's last segment has been seen at both ends before anything is broken.
	listener.process.host.scene.settle(ctx)
	conn := &Connection{Client: client, Server: server, Listener: listener}
	p.host.scene.sabotageEstablished(ctx, conn)
	return conn
}

// Further is another connection between the same two processes, from the next port of the client's
// after those in use.
func (c *Connection) Further(ctx context.Context) *Connection {
	ctx, cancel := context.WithTimeout(ctx, Soon)
	defer cancel()
	caller := c.Client.Process
	dialing, err := caller.startDialFromPort(ctx, clientPort+uint16(len(caller.host.scene.ends)), c.Listener)
	mustStage(err)
	connected, err := dialing.Wait(ctx)
	mustStage(err)
	further := &Connection{Client: caller.newEnd(connected), Listener: c.Listener}
	further.Server = c.Listener.Accept(ctx)
	caller.host.scene.settle(ctx)
	return further
}

// Snapshot is what the end's kernel thinks of the connection now.
func (e *End) Snapshot() socket.Snapshot {
	snapshot, err := e.Host.lab.Socket(e.local, e.remote)
	mustStage(err)
	e.note(snapshot)
	return snapshot
}

// State is the connection's state at this end now, socket.Gone if the kernel has no such socket.
func (e *End) State() socket.State {
	return e.Snapshot().State
}

// Reaches waits until the end is in a state, which must be soon: the segment that leads there has
// been seen.
func (e *End) Reaches(ctx context.Context, state socket.State) {
	e.ReachesBy(ctx, state, mono.Now()+Soon)
}

// ReachesBy waits until the end is in a state, at the latest at a moment, and returns when it was
// first seen there. The kernel tells nobody of a change of state, so it is asked again, seldom
// enough that a long wait costs few wake-ups.
func (e *End) ReachesBy(ctx context.Context, state socket.State, deadline time.Duration) (at time.Duration) {
	period := time.Millisecond
	for {
		snapshot := e.Snapshot()
		if snapshot.State == state {
			return snapshot.At
		}
		if mono.Now() > deadline {
			spec.Fail(fmt.Sprintf("the %s's socket is %s, and has not become %s", e, snapshot.State, state))
		}
		Elapse(ctx, period)
		period = min(2*period, max(20*time.Millisecond, (deadline-mono.Now())/64))
	}
}

// Counted is how often the end's host has counted something (names as in nstat(8), without the prefix) since it was
// set up or booted: a new network namespace begins with 0.
func (e *End) Counted(name string) int { return e.Host.Counter(name) }

// note records a change of state.
func (e *End) note(snapshot socket.Snapshot) {
	if snapshot.State == e.seen {
		return
	}
	e.Host.scene.lab.Wire().Note(snapshot.At, fmt.Sprintf("%s: %s -> %s", e, e.seen, snapshot.State))
	e.seen = snapshot.State
}

// look notes the states that an event has changed. A host that is off has none to show.
func (s *scene) look() {
	for _, end := range s.ends {
		if snapshot, err := end.Host.lab.Socket(end.local, end.remote); err == nil {
			end.note(snapshot)
		}
	}
}
