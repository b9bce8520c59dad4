package stage

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/socket"
	"github.com/halfopen/halfopen/harness/spec"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/wire"
	"github.com/halfopen/halfopen/harness/wire/match"
)

// Dialing is a connect(2) that is under way.
type Dialing struct {
	process  *Process
	listener *Listener
	dialing  *process.Dialing
	err      error
}

// StartDial begins to connect the process to a listener.
func (p *Process) StartDial(ctx context.Context, listener *Listener, options ...process.Option) *Dialing {
	p.host.scene.sabotageHandshake(p.host, listener.process.host)
	dialing, err := p.startDial(ctx, listener, options...)
	return &Dialing{process: p, listener: listener, dialing: dialing, err: err}
}

// Within waits for what connect(2) returns, for so long at the most; end is nil when it failed.
func (d *Dialing) Within(ctx context.Context, patience time.Duration) (end *End, outcome Outcome) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var connected *process.Socket
	err := d.err
	if err == nil {
		connected, err = d.dialing.Wait(ctx)
	}
	p := d.process
	var refused *process.Errno
	switch {
	case errors.As(err, &refused):
		outcome = Outcome{Call: "connect(2)", Errno: refused.Errno, At: refused.At, Give: refused.Give, Queued: refused.Queued}
	case errors.Is(err, context.DeadlineExceeded):
		spec.Fail(fmt.Sprintf("the %s's connect(2) has not returned within %s", p.host, patience.Round(time.Millisecond)))
	default:
		mustStage(err)
		return p.newEnd(connected), Outcome{Call: "connect(2)", At: mono.Now()}
	}
	p.host.scene.noteOutcome(p.host, outcome)
	return nil, outcome
}

// local is the address and port that the connection comes from.
func (d *Dialing) local() netip.AddrPort {
	return netip.AddrPortFrom(d.process.host.Address(), clientPort)
}

// State is the state of the socket that is connecting.
func (d *Dialing) State() socket.State {
	snapshot, err := d.process.host.lab.Socket(d.local(), d.listener.socket.Local())
	mustStage(err)
	return snapshot.State
}

// Wire is every segment so far between the socket that is connecting and the listener.
func (d *Dialing) Wire(ctx context.Context) *wire.Conversation {
	return d.process.WireTo(ctx, d.listener)
}

// Sees returns the first segment between the two that the predicate describes: one that has crossed
// already or comes within the patience.
func (d *Dialing) Sees(ctx context.Context, patience time.Duration, predicate match.Predicate) wire.Segment {
	return d.process.host.scene.sees(ctx, patience, between(d.local(), d.listener.socket.Local(), predicate), predicate)
}

// Close closes the socket while it is connecting. It returns the moment just before.
func (d *Dialing) Close(ctx context.Context) (at time.Duration) {
	at = mono.Now()
	mustStage(d.err)
	if d.process.host.scene.sabotaged("holder") {
		_, err := d.dialing.Socket.Share(ctx)
		mustStage(err)
	}
	mustStage(d.dialing.Socket.Close(ctx))
	d.process.host.scene.lab.Wire().Note(at, d.process.host.Name()+": close(2) while connecting")
	return at
}

// Request is what the listener's kernel thinks of the connection that is being opened: a request
// until the handshake is complete, which is no socket of any process.
func (d *Dialing) Request() socket.Snapshot {
	snapshot, err := d.listener.process.host.lab.Socket(d.listener.socket.Local(), d.local())
	mustStage(err)
	return snapshot
}

// OfferOnePort leaves the host a single port for those of its sockets that ask for none: the one
// that a spec's connection has.
func (h *Host) OfferOnePort() {
	mustStage(h.lab.SetSysctl("net.ipv4.ip_local_port_range", fmt.Sprintf("%d %[1]d", clientPort)))
}

// TryDialUnbound is TryDial without bind(2): the kernel chooses the port when it connects.
func (p *Process) TryDialUnbound(ctx context.Context, listener *Listener, patience time.Duration, options ...process.Option) (end *End, outcome Outcome) {
	dialing, err := p.startDialFrom(ctx, netip.AddrPort{}, listener, options...)
	return (&Dialing{process: p, listener: listener, dialing: dialing, err: err}).Within(ctx, patience)
}

// TryDialNowhere is TryDial to an address that no host of the lab has and no route leads to.
func (p *Process) TryDialNowhere(ctx context.Context, patience time.Duration) Outcome {
	if p.host.scene.sabotaged("default-route") {
		mustStage(p.host.lab.AddDefaultRoute(p.host.scene.identity.Family))
	}
	nowhere := netip.MustParseAddr("203.0.113.1")
	if p.host.scene.identity.Family == 6 {
		nowhere = netip.MustParseAddr("2001:db8:ffff::1")
	}
	dialing, err := p.process.StartDial(ctx, netip.AddrPort{}, netip.AddrPortFrom(nowhere, serverPort))
	_, outcome := (&Dialing{process: p, dialing: dialing, err: err}).Within(ctx, patience)
	return outcome
}

// Crowd opens further connections to a listener that accepts none, each of which writes something:
// its handshake is complete even where pure acknowledgements are lost. It returns when all of them
// wait to be accepted.
func (p *Process) Crowd(ctx context.Context, listener *Listener, connections int) {
	waiting := listener.Unaccepted() + connections
	for i := range connections {
		local := netip.AddrPortFrom(p.host.Address(), clientPort+1+uint16(i))
		dialing, err := p.startDialFrom(ctx, local, listener)
		mustStage(err)
		connected, err := dialing.Wait(ctx)
		mustStage(err)
		_, err = connected.Write(ctx, []byte("let me in"))
		mustStage(err)
	}
	for deadline := mono.Now() + Soon; listener.Unaccepted() != waiting; Elapse(ctx, 10*time.Millisecond) {
		if mono.Now() > deadline {
			spec.Fail(fmt.Sprintf("%d connections wait to be accepted, and not %d", listener.Unaccepted(), waiting))
		}
	}
}

// Reaches waits until what the listener's kernel has of the connection is in a state, which must be
// soon, as in End.Reaches.
func (d *Dialing) Reaches(ctx context.Context, state socket.State) {
	for deadline := mono.Now() + Soon; d.Request().State != state; Elapse(ctx, 10*time.Millisecond) {
		if mono.Now() > deadline {
			spec.Fail(fmt.Sprintf("the request on %s is %s, and has not become %s", d.listener.process.host, d.Request().State, state))
		}
	}
}

// RequestGoneIn is GoneIn for what the listener's kernel has of the connection.
func (d *Dialing) RequestGoneIn(ctx context.Context, since time.Duration, window timing.Window) (after time.Duration) {
	return goneIn(ctx, since, window, fmt.Sprintf("the request on %s", d.listener.process.host), d.Request)
}

// Counter is a counter of the host now (names as in nstat(8), without the prefix).
func (h *Host) Counter(name string) int {
	read := h.lab.Counters
	if socket.OfIPv6(name) {
		read = h.lab.IPv6Counters
	}
	counters, err := read()
	mustStage(err)
	value, _ := counters.Value(name)
	return int(value)
}

// SentSegments is how many TCP segments of the host have crossed its cable.
func (h *Host) SentSegments(ctx context.Context) int {
	h.scene.settle(ctx)
	sent := 0
	for _, segment := range h.scene.lab.Wire().Segments() {
		if segment.From == h.Name() {
			sent++
		}
	}
	return sent
}

// AskedFor is when the host first asked its network for another host's link address, after a moment.
func (h *Host) AskedFor(ctx context.Context, other *Host, since time.Duration) (at time.Duration) {
	h.scene.settle(ctx)
	for _, frame := range h.scene.lab.Wire().Frames() {
		if frame.Port == h.Name() && frame.At >= since && frame.Asks == other.Address() {
			return frame.At
		}
	}
	spec.Fail(fmt.Sprintf("the %s has not asked for the %s's link address", h, other))
	return 0
}
