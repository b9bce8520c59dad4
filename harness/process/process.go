package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process/role"
)

// Options says what to start.
type Options struct {
	Name string // for error messages and for ps: "client"
}

// Process is the spec's side of one process. Its methods may be called from any goroutine.
type Process struct {
	name string
	body
}

// body is where a process is: on this machine (own), or on another one (remote).
type body interface {
	// PID is the process ID in the caller's PID namespace.
	PID() int
	// Dead is closed when the process is dead and reaped, however that came.
	Dead() <-chan struct{}
	// Stop ends the process and its holders, and gives back everything they cost here. It is for
	// teardown: a spec that wants to see a death uses Kill or Die. It may be called again.
	Stop() error
	// Freeze stops the process with SIGSTOP and returns when all of its threads have stopped. Its
	// sockets stay open and its kernel goes on serving them; requests wait for the thaw. Nothing
	// happens to a process that is frozen.
	Freeze() error
	// Thaw continues a frozen process with SIGCONT and returns when it goes on. Nothing happens to a
	// process that is not frozen.
	Thaw() error
	// Die makes the process die in the given manner and waits for its end. The wait status is checked
	// to be the one that belongs to the manner; the Death is returned also where it is not. A frozen
	// process dies by Killed only; the others wait for the thaw.
	Die(ctx context.Context, m Manner) (Death, error)

	// send makes a request, with a descriptor to pass along unless that is -1.
	send(ctx context.Context, r role.Request, pass int) *Pending
}

// Name is what Start was told.
func (p *Process) Name() string { return p.name }

// Kill sends SIGKILL and waits for the end, also of a frozen process. A process that is dead
// already is an error (ErrDead).
func (p *Process) Kill() (Death, error) { return p.Die(context.Background(), Killed) }

// call makes a request and waits for its answer.
func (p *Process) call(ctx context.Context, r role.Request) (role.Answer, error) {
	a, err := p.send(ctx, r, -1).wait(ctx)
	if err != nil {
		return role.Answer{}, fmt.Errorf("process %q: %s: %w", p.name, r.Op, err)
	}
	return a, nil
}

// do is call, for what the kernel may refuse with an *Errno.
func (p *Process) do(ctx context.Context, r role.Request) (role.Answer, error) {
	a, err := p.call(ctx, r)
	if err == nil {
		err = refusal(r, a)
	}
	return a, err
}

// own is a child of this process, for as long as one spec has it.
type own struct {
	name    string
	reserve *Reserve // where it goes when it is stopped; nil: it is killed then
	pid     int
	control *os.File
	stderr  *os.File // a memfd: the child writes, the spec reads only when something went wrong

	sending chan struct{} // holds one token: who has it may write on the control channel

	mu      sync.Mutex // guards what follows
	next    int
	pending map[int]*Pending
	failure error // why no request can be made any more
	holders map[*Holder]struct{}
	leaving bool // for the reserve: one request more is made
	last    int  // its ID

	// life guards the process ID: it is signalled only while life is held and reaped is false,
	// so that a signal never hits a stranger who was given the same ID.
	life   sync.Mutex
	reaped bool // or no longer this one's
	frozen bool
	status unix.WaitStatus
	gone   time.Duration

	dead chan struct{} // closed by the reader once the process is reaped, or is in the reserve
	stop sync.Once
}

// Start starts a process on the host (the network namespace) of the calling thread.
//
// Call it on a locked thread that outlives the process: the kernel kills the child when that
// thread, not the program, ends (PR_SET_PDEATHSIG). It returns as soon as the program is
// executed; the first request waits for it to be ready, so that several start side by side.
func Start(opts Options) (*Process, error) {
	p := newOwn(opts.Name)
	if err := p.spawnRole(); err != nil {
		return nil, fmt.Errorf("start process %q: %w", opts.Name, err)
	}
	p.begin()
	return &Process{opts.Name, p}, nil
}

// spawnRole starts this binary as a process.
func (p *own) spawnRole() error {
	return p.spawn(command{path: role.Executable, argv: []string{"halfopen: " + p.name}, env: role.Environment(role.Process), output: -1})
}

// begin makes the process ready for requests.
func (p *own) begin() {
	p.sending <- struct{}{}
	go p.receive()
}

func newOwn(name string) *own {
	return &own{
		name:    name,
		sending: make(chan struct{}, 1),
		pending: map[int]*Pending{},
		holders: map[*Holder]struct{}{},
		dead:    make(chan struct{}),
	}
}

// command is what to execute.
type command struct {
	path      string
	argv, env []string
	dir       string // empty: the caller's
	output    int    // a descriptor for stdout and stderr; -1: stderr is kept for error messages
}

func (p *own) spawn(run command) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("make the control channel: %w", err)
	}
	defer unix.Close(pair[1])
	p.control = os.NewFile(uintptr(pair[0]), "control channel to "+p.name)

	memory, err := unix.MemfdCreate("stderr of "+p.name, unix.MFD_CLOEXEC)
	if err != nil {
		p.control.Close()
		return fmt.Errorf("make a buffer for stderr: %w", err)
	}
	p.stderr = os.NewFile(uintptr(memory), "stderr of "+p.name)

	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		p.control.Close()
		p.stderr.Close()
		return err
	}
	defer null.Close()

	stdout, stderr := null.Fd(), uintptr(memory)
	if run.output >= 0 {
		stdout, stderr = uintptr(run.output), uintptr(run.output)
	}
	p.pid, err = syscall.ForkExec(run.path, run.argv, &syscall.ProcAttr{
		Env:   run.env,
		Dir:   run.dir,
		Files: []uintptr{null.Fd(), stdout, stderr, uintptr(pair[1])},
		Sys: &syscall.SysProcAttr{
			Pdeathsig: syscall.SIGKILL,
			Setpgid:   true, // a terminal's Ctrl-C goes to the foreground group only
		},
	})
	if err != nil {
		p.control.Close()
		p.stderr.Close()
		return fmt.Errorf("execute %s: %w", run.path, err)
	}
	return nil
}

func (p *own) PID() int { return p.pid }

func (p *own) Dead() <-chan struct{} { return p.dead }

func (p *own) Stop() error {
	p.stop.Do(func() {
		if p.reserve != nil && p.reserve.take(p) {
			return
		}
		p.mu.Lock()
		var holders []*Holder
		for h := range p.holders {
			holders = append(holders, h)
		}
		p.mu.Unlock()
		_, _ = p.signal(unix.SIGKILL) // ErrDead is what is wanted here
		<-p.dead
		for _, h := range holders {
			h.cut()
		}
		p.control.Close()
		p.stderr.Close()
	})
	return nil
}

// signal sends a signal unless the process is reaped (then ErrDead, with how it died), and returns
// the monotonic time right before it.
func (p *own) signal(sig unix.Signal) (time.Duration, error) {
	p.life.Lock()
	defer p.life.Unlock()
	if p.reaped {
		return 0, p.died()
	}
	at := mono.Now()
	if err := unix.Kill(p.pid, sig); err != nil {
		return 0, fmt.Errorf("send %s to process %q: %w", unix.SignalName(sig), p.name, err)
	}
	return at, nil
}

// collect waits with wait4(2) and keeps the status when the process turns out to have ended.
// The caller holds life.
func (p *own) collect(options int) (unix.WaitStatus, error) {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(p.pid, &status, options, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("wait for process %q: %w", p.name, err)
		}
		break
	}
	if status.Exited() || status.Signaled() {
		p.gone = mono.Now()
		p.status = status
		p.reaped = true
	}
	return status, nil
}

// receive hands answers to those who wait for them, until the process is gone. The channel ends
// when its last descriptor is closed over there, which is while the process dies; then it is
// reaped here.
func (p *own) receive() {
	handed := p.listen(func(a role.Answer) (last bool) {
		p.mu.Lock()
		waiting := p.pending[a.ID]
		delete(p.pending, a.ID)
		// What was asked for before has ended with its socket, unless a close(2) lingers.
		last = a.ID == p.last && len(p.pending) == 0
		p.mu.Unlock()
		if waiting != nil {
			waiting.answer = a
			waiting.err = failure(a)
			close(waiting.done)
		}
		return last
	})

	p.life.Lock()
	switch {
	case handed:
		p.reaped = true
	case !p.reaped:
		// Its exit code is fixed by now (do_group_exit comes before exit_files), so this only
		// ends a process that lost the channel and lives.
		_ = unix.Kill(p.pid, unix.SIGKILL)
		if _, err := p.collect(0); err != nil {
			p.reaped, p.gone = true, mono.Now() // by somebody else: there is no status to tell
		}
	}
	dead := p.died()
	p.life.Unlock()

	p.mu.Lock()
	p.failure = dead
	for _, waiting := range p.pending {
		waiting.err = dead
		close(waiting.done)
	}
	p.pending = nil
	p.mu.Unlock()
	close(p.dead)
}

// died says how the process ended. The caller holds life, and the process is reaped.
func (p *own) died() error {
	if p.gone == 0 {
		return fmt.Errorf("process %q (%d): %w: it was stopped", p.name, p.pid, ErrDead)
	}
	err := fmt.Errorf("process %q (%d): %w: %s", p.name, p.pid, ErrDead, Ending(p.status))
	if said := p.complaint(); said != "" {
		err = fmt.Errorf("%w; it said: %s", err, said)
	}
	return err
}

// complaint is the beginning of what the process wrote to stderr.
func (p *own) complaint() string {
	text := make([]byte, 2048)
	n, _ := p.stderr.ReadAt(text, 0) // a buffer that cannot be read has nothing to say
	return strings.TrimSpace(string(text[:n]))
}

func (p *own) send(ctx context.Context, r role.Request, pass int) *Pending {
	waiting := &Pending{done: make(chan struct{})}
	fail := func(err error) *Pending {
		waiting.err = err
		close(waiting.done)
		return waiting
	}

	p.mu.Lock()
	if p.failure != nil {
		defer p.mu.Unlock()
		return fail(p.failure)
	}
	p.next++
	r.ID = p.next
	if p.leaving {
		if p.last != 0 {
			defer p.mu.Unlock()
			return fail(ErrDead)
		}
		p.last = r.ID
	}
	p.mu.Unlock()

	message, err := r.Frame()
	if err != nil {
		return fail(err)
	}

	select {
	case <-p.sending:
		defer func() { p.sending <- struct{}{} }()
	case <-ctx.Done():
		return fail(context.Cause(ctx))
	}
	p.mu.Lock()
	if p.failure != nil {
		defer p.mu.Unlock()
		return fail(p.failure)
	}
	p.pending[r.ID] = waiting
	p.mu.Unlock()

	err = p.transmit(ctx, message, pass)
	if err == nil {
		return waiting
	}
	// A message may have been cut in two, and what follows would be read as its other half. The
	// reader ends all that is pending, this one included.
	_, _ = p.signal(unix.SIGKILL)
	<-waiting.done
	if ctx.Err() != nil {
		return &Pending{done: waiting.done, err: fmt.Errorf("the request did not fit the control channel before its context ended, and the process had to be killed: %w", context.Cause(ctx))}
	}
	return waiting
}

// transmit writes a message, with a descriptor to pass along unless that is -1. A frozen process
// does not empty the channel: the context ends that wait.
func (p *own) transmit(ctx context.Context, message []byte, pass int) error {
	late := make(chan struct{})
	release := context.AfterFunc(ctx, func() {
		_ = p.control.SetWriteDeadline(time.Unix(1, 0))
		close(late)
	})
	defer func() {
		if !release() {
			<-late
			_ = p.control.SetWriteDeadline(time.Time{})
		}
	}()
	if pass >= 0 {
		conn, err := p.control.SyscallConn()
		if err != nil {
			return err
		}
		var n int
		var sent error
		err = conn.Write(func(fd uintptr) bool {
			n, sent = unix.SendmsgN(int(fd), message, unix.UnixRights(pass), nil, unix.MSG_NOSIGNAL)
			return sent != unix.EAGAIN
		})
		if err = errors.Join(err, sent); err != nil {
			return err
		}
		message = message[n:]
		if len(message) == 0 {
			return nil
		}
	}
	_, err := p.control.Write(message)
	return err
}
