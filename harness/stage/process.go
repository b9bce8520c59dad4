package stage

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/wire/match"
)

// Process is a process on a host; it holds sockets and does with them what the spec says.
type Process struct {
	host    *Host
	process *process.Process
}

// Listener is a listening socket.
type Listener struct {
	process *Process
	socket  *process.Socket
}

// Listen makes the process listen on the lab's server port.
func (p *Process) Listen(ctx context.Context, options ...process.Option) *Listener {
	return p.ListenWithBacklog(ctx, process.Backlog, options...)
}

// ListenWithBacklog is Listen with room for one connection more than the backlog to be accepted.
func (p *Process) ListenWithBacklog(ctx context.Context, backlog int, options ...process.Option) *Listener {
	if p.host.scene.sabotaged("backlog-up") {
		backlog = process.Backlog
	}
	listening, err := p.process.ListenWithBacklog(ctx, netip.AddrPortFrom(p.host.Address(), serverPort), backlog, options...)
	mustStage(err)
	return &Listener{process: p, socket: listening}
}

// Accept accepts a connection that is there or comes soon.
func (l *Listener) Accept(ctx context.Context) *End {
	ctx, cancel := context.WithTimeout(ctx, Soon)
	defer cancel()
	accepted, err := l.socket.Accept(ctx)
	mustStage(err)
	return l.process.newEnd(accepted)
}

// Unaccepted is how many established connections wait for the listener to accept them.
func (l *Listener) Unaccepted() int {
	snapshot, err := l.process.host.lab.Socket(l.socket.Local(), netip.AddrPort{})
	mustStage(err)
	return int(snapshot.ReceiveQueue)
}

// Dial connects the process to a listener, which need not accept.
func (p *Process) Dial(ctx context.Context, listener *Listener, options ...process.Option) *End {
	ctx, cancel := context.WithTimeout(ctx, Soon)
	defer cancel()
	connected, err := p.dial(ctx, listener, options...)
	mustStage(err)
	return p.newEnd(connected)
}

// TryDial is Dial where the errno of connect(2) is of interest; end is nil when it failed. It
// waits for connect(2) as long as patience says.
func (p *Process) TryDial(ctx context.Context, listener *Listener, patience time.Duration, options ...process.Option) (end *End, outcome Outcome) {
	return p.StartDial(ctx, listener, options...).Within(ctx, patience)
}

func (p *Process) dial(ctx context.Context, listener *Listener, options ...process.Option) (*process.Socket, error) {
	dialing, err := p.startDial(ctx, listener, options...)
	if err != nil {
		return nil, err
	}
	return dialing.Wait(ctx)
}

func (p *Process) startDial(ctx context.Context, listener *Listener, options ...process.Option) (*process.Dialing, error) {
	return p.startDialFromPort(ctx, clientPort, listener, options...)
}

func (p *Process) startDialFromPort(ctx context.Context, port uint16, listener *Listener, options ...process.Option) (*process.Dialing, error) {
	local := netip.AddrPortFrom(p.host.Address(), port)
	if p.host.scene.sabotaged("wrong-address") {
		local = netip.AddrPortFrom(local.Addr(), clientPort+uint16(len(p.host.scene.ends)))
	}
	return p.startDialFrom(ctx, local, listener, options...)
}

// startDialFrom is startDial from another address or port than a spec's connection has.
func (p *Process) startDialFrom(ctx context.Context, local netip.AddrPort, listener *Listener, options ...process.Option) (*process.Dialing, error) {
	options = slices.DeleteFunc(slices.Clone(options), func(o process.Option) bool { return p.host.scene.withheld(o.Level, o.Name) })
	return p.process.StartDial(ctx, local, listener.socket.Local(), options...)
}

// DialUnaccepted connects the process to a listener that does not accept: the connection waits in
// the listener's queue.
func (p *Process) DialUnaccepted(ctx context.Context, listener *Listener, options ...process.Option) *End {
	end := p.Dial(ctx, listener, options...)
	// The handshake's last segment has reached the listener before anything is broken.
	end.Sees(ctx, match.HandshakeACK().From(end).Delivered())
	p.host.scene.sabotagePath(p.host, listener.process.host)
	return end
}

// Death is how and when a process died.
type Death = process.Death

// Kill sends SIGKILL and waits until the process is gone.
func (p *Process) Kill() Death {
	return p.die(p.process.Kill)
}

// DieBy lets the process die in the given manner and waits until it is gone.
func (p *Process) DieBy(ctx context.Context, manner process.Manner) Death {
	return p.die(func() (Death, error) { return p.process.Die(ctx, manner) })
}

func (p *Process) die(kill func() (Death, error)) Death {
	if p.host.scene.sabotaged("no-kill") {
		at := mono.Now()
		p.Freeze()
		return Death{At: at, Gone: mono.Now()}
	}
	p.beforeDeath()
	death, err := kill()
	mustStage(err)
	p.host.scene.lab.Wire().Note(death.At, fmt.Sprintf("%s: process %s", p.host, death))
	p.host.scene.look()
	p.host.scene.sabotageFault(func(end *End) bool { return end.Process == p })
	return death
}

// Freeze stops the process, as SIGSTOP does, a debugger, or a container that is paused. It returns
// the moment just before.
func (p *Process) Freeze() (at time.Duration) {
	at = mono.Now()
	if p.host.scene.sabotaged("kill-instead-of-freeze") {
		_, err := p.process.Kill()
		mustStage(err)
		return at
	}
	mustStage(p.process.Freeze())
	p.host.scene.lab.Note("%s: process frozen", p.host)
	p.host.scene.sabotageFault(func(end *End) bool { return end.Process == p })
	return at
}

// Thaw lets it go on.
func (p *Process) Thaw() {
	mustStage(p.process.Thaw())
	p.host.scene.lab.Note("%s: process thawed", p.host)
}

// Holder is a child process that the end's process forked and that holds the same descriptor.
type Holder struct {
	end    *End
	holder *process.Holder
}

// Fork lets the process fork a child that keeps the descriptor and does nothing else.
func (e *End) Fork(ctx context.Context) *Holder {
	holder, err := e.socket.Share(ctx)
	mustStage(err)
	e.Host.scene.lab.Note("%s: forked a child that holds the descriptor", e)
	h := &Holder{end: e, holder: holder}
	if e.Host.scene.sabotaged("no-holder") {
		h.Exit(ctx)
	}
	return h
}

// Exit lets the child exit and waits until it is gone.
func (h *Holder) Exit(ctx context.Context) (at time.Duration) {
	at = mono.Now()
	mustStage(h.holder.Exit(ctx))
	h.end.Host.scene.lab.Wire().Note(at, h.end.String()+": the child exits")
	h.end.Host.scene.look()
	return at
}
