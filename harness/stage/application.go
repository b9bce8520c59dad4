package stage

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process"
)

// Soon is how long an event that follows at once may take before its absence is a failure. It is
// patience on a loaded machine and proves nothing; what a claim says of time is a timing.Window.
const Soon = 5 * time.Second

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
	GinkgoHelper()
	listening, err := p.process.Listen(ctx, netip.AddrPortFrom(p.host.Address(), serverPort), options...)
	mustStage(err)
	return &Listener{process: p, socket: listening}
}

// Accept accepts a connection that is there or comes soon.
func (l *Listener) Accept(ctx context.Context) *End {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, Soon)
	defer cancel()
	accepted, err := l.socket.Accept(ctx)
	mustStage(err)
	return l.process.newEnd(accepted)
}

// Dial connects the process to a listener, which need not accept.
func (p *Process) Dial(ctx context.Context, listener *Listener, options ...process.Option) *End {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, Soon)
	defer cancel()
	connected, err := p.dial(ctx, listener, options...)
	mustStage(err)
	return p.newEnd(connected)
}

// TryDial is Dial where the errno of connect(2) is of interest; end is nil when it failed. It
// waits for connect(2) as long as patience says.
func (p *Process) TryDial(ctx context.Context, listener *Listener, patience time.Duration, options ...process.Option) (end *End, outcome Outcome) {
	GinkgoHelper()
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
	local := netip.AddrPortFrom(p.host.Address(), clientPort)
	if p.host.scene.sabotaged("wrong-address") {
		local = netip.AddrPortFrom(local.Addr(), clientPort+uint16(len(p.host.scene.ends)))
	}
	options = slices.DeleteFunc(slices.Clone(options), func(o process.Option) bool { return p.host.scene.withheld(o.Level, o.Name) })
	return p.process.StartDial(ctx, local, listener.socket.Local(), options...)
}

// Death is how and when a process died.
type Death = process.Death

// Kill sends SIGKILL and waits until the process is gone.
func (p *Process) Kill() Death {
	GinkgoHelper()
	return p.die(p.process.Kill)
}

// DieBy lets the process die in the given manner and waits until it is gone.
func (p *Process) DieBy(ctx context.Context, manner process.Manner) Death {
	GinkgoHelper()
	return p.die(func() (Death, error) { return p.process.Die(ctx, manner) })
}

func (p *Process) die(kill func() (Death, error)) Death {
	GinkgoHelper()
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
	GinkgoHelper()
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
	GinkgoHelper()
	mustStage(p.process.Thaw())
	p.host.scene.lab.Note("%s: process thawed", p.host)
}

// Outcome is what a call gave the application.
type Outcome struct {
	Call  string // "read(2)", "write(2)", "connect(2)"
	Data  string // what read(2) returned
	N     int    // bytes read or written
	EOF   bool   // read(2) returned 0
	Errno unix.Errno
	At    time.Duration // right after the call returned
}

func (o Outcome) String() string {
	switch {
	case o.Errno != 0:
		return fmt.Sprintf("%s failed with %s (%v)", o.Call, unix.ErrnoName(o.Errno), o.Errno)
	case o.EOF:
		return o.Call + " returned 0, end of file"
	case o.Call == "read(2)" && o.N <= 64:
		return fmt.Sprintf("read(2) returned %q", o.Data)
	}
	return fmt.Sprintf("%s returned %d", o.Call, o.N)
}

func (s *scene) noteOutcome(host *Host, outcome Outcome) {
	s.lab.Wire().Note(outcome.At, fmt.Sprintf("%s: %s", host, outcome))
	s.look()
}

// Write writes and expects write(2) to take every byte. It returns the moment just before.
func (e *End) Write(ctx context.Context, text string) (at time.Duration) {
	GinkgoHelper()
	at = mono.Now()
	if e.Host.scene.sabotaged("no-write") {
		return at
	}
	if outcome := e.TryWrite(ctx, text); outcome.N != len(text) {
		Fail(fmt.Sprintf("the %s's %s instead of %d", e, outcome, len(text)))
	}
	return at
}

// TryWrite writes and returns what write(2) said.
func (e *End) TryWrite(ctx context.Context, text string) Outcome {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, Soon)
	defer cancel()
	result, err := e.socket.Write(ctx, []byte(text))
	mustStage(err)
	return e.outcome("write(2)", result)
}

// Fill writes until the kernel takes no more, and returns how many bytes it took.
func (e *End) Fill(ctx context.Context) int {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, Soon)
	defer cancel()
	result, err := e.socket.WriteUntilBlocked(ctx)
	mustStage(err)
	e.Host.scene.lab.Note("%s: wrote %d bytes, until write(2) would block", e, result.N)
	return result.N
}

func (e *End) outcome(call string, r process.Result) Outcome {
	outcome := Outcome{Call: call, Data: string(r.Data), N: r.N, EOF: r.EOF, Errno: r.Errno, At: r.At}
	e.Host.scene.noteOutcome(e.Host, outcome)
	return outcome
}

// Read reads what is there or comes soon.
func (e *End) Read(ctx context.Context) Outcome {
	GinkgoHelper()
	return e.StartRead().Within(ctx, Soon)
}

// ReadAll reads until it has n bytes, the end of file or an errno; Data holds all that came.
func (e *End) ReadAll(ctx context.Context, n int) Outcome {
	GinkgoHelper()
	var all Outcome
	for all.N < n {
		outcome := e.Read(ctx)
		if outcome.N == 0 {
			outcome.Data, outcome.N = all.Data, all.N
			return outcome
		}
		outcome.Data, outcome.N = all.Data+outcome.Data, all.N+outcome.N
		all = outcome
	}
	return all
}

// Reading is a read(2) in which the process is blocked.
type Reading struct {
	end     *End
	pending *process.Pending
	done    *Outcome
}

// StartRead blocks the process in read(2) from now on.
func (e *End) StartRead() *Reading {
	return &Reading{end: e, pending: e.socket.StartRead(maxRead)}
}

const maxRead = 64 << 10

// Within waits for what read(2) returns, for so long at the most.
func (r *Reading) Within(ctx context.Context, patience time.Duration) Outcome {
	GinkgoHelper()
	outcome, returned := r.wait(ctx, patience)
	if !returned {
		Fail(fmt.Sprintf("the %s's read(2) has not returned within %s; its socket is %s", r.end, patience, r.end.State()))
	}
	return outcome
}

// Blocked tells whether read(2) still has not returned.
func (r *Reading) Blocked(ctx context.Context) bool {
	GinkgoHelper()
	// The process answers in the order in which its calls return, so what has returned before
	// this has been told.
	r.end.Option(ctx, unix.SOL_SOCKET, unix.SO_TYPE)
	select {
	case <-r.pending.Done():
		return false
	default:
		return true
	}
}

func (r *Reading) wait(ctx context.Context, patience time.Duration) (outcome Outcome, returned bool) {
	GinkgoHelper()
	if r.done != nil {
		return *r.done, true
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	result, err := r.pending.Wait(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return Outcome{}, false
	}
	mustStage(err)
	outcome = r.end.outcome("read(2)", result)
	r.done = &outcome
	return outcome, true
}

// Shutdown ends the writing half with shutdown(2): a FIN leaves, reading goes on.
func (e *End) Shutdown(ctx context.Context) {
	GinkgoHelper()
	mustStage(e.socket.Shutdown(ctx, unix.SHUT_WR))
	e.Host.scene.lab.Note("%s: shutdown(2) of the writing half", e)
	e.Host.scene.look()
}

// Close closes the descriptor with close(2).
func (e *End) Close(ctx context.Context) {
	GinkgoHelper()
	mustStage(e.socket.Close(ctx))
	e.Host.scene.lab.Note("%s: close(2)", e)
	e.Host.scene.look()
}

// Set sets a socket option.
func (e *End) Set(ctx context.Context, level, name, value int) {
	GinkgoHelper()
	if e.Host.scene.withheld(level, name) {
		return
	}
	mustStage(e.socket.SetInt(ctx, level, name, value))
}

// TrySet sets a socket option and returns the errno, 0 when it was taken.
func (e *End) TrySet(ctx context.Context, level, name, value int) unix.Errno {
	GinkgoHelper()
	if e.Host.scene.sabotaged("option-clamped") {
		value = min(max(value, 1), 127)
	}
	err := e.socket.SetInt(ctx, level, name, value)
	var refused *process.Errno
	if errors.As(err, &refused) {
		return refused.Errno
	}
	mustStage(err)
	return 0
}

// Option is the value of a socket option.
func (e *End) Option(ctx context.Context, level, name int) int {
	GinkgoHelper()
	value, err := e.socket.Int(ctx, level, name)
	mustStage(err)
	return value
}

// SetLinger sets SO_LINGER {on, seconds}.
func (e *End) SetLinger(ctx context.Context, seconds int) {
	GinkgoHelper()
	if e.Host.scene.sabotaged("linger-off") {
		return
	}
	mustStage(e.socket.SetLinger(ctx, seconds))
}

// KeepAlive switches SO_KEEPALIVE on. It returns the moment just before, from which an idle
// socket counts.
func (e *End) KeepAlive(ctx context.Context) (at time.Duration) {
	GinkgoHelper()
	at = mono.Now()
	e.Set(ctx, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	e.Host.scene.lab.Wire().Note(at, e.String()+": SO_KEEPALIVE set")
	return at
}

// UserTimeout sets TCP_USER_TIMEOUT.
func (e *End) UserTimeout(ctx context.Context, timeout time.Duration) {
	GinkgoHelper()
	e.userTimeout = timeout
	e.Set(ctx, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(timeout.Milliseconds()))
}

// Holder is a child process that the end's process forked and that holds the same descriptor.
type Holder struct {
	end    *End
	holder *process.Holder
}

// Fork lets the process fork a child that keeps the descriptor and does nothing else.
func (e *End) Fork(ctx context.Context) *Holder {
	GinkgoHelper()
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
	GinkgoHelper()
	at = mono.Now()
	mustStage(h.holder.Exit(ctx))
	h.end.Host.scene.lab.Wire().Note(at, h.end.String()+": the child exits")
	h.end.Host.scene.look()
	return at
}
