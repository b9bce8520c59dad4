package process

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/process/role"
)

// Reserve keeps the processes that outlive their spec for the next one, which gets them as they were at their
// start: without a socket. To start a process costs as much as a tenth of a spec on a real machine (11 ms,
// most of it page faults), and more where every instruction is emulated; nine of ten are alive when
// their spec ends. One that was killed or frozen, or has forked, does not come back.
//
// The zero Reserve is empty and ready.
type Reserve struct {
	mu    sync.Mutex
	idle  map[string][]*own // by their names, which ps(1) shows
	calls chan func()       // to the thread that has started them all and lives as long as they do; nil before the first
	home  *os.File          // the network namespace of that thread, where they wait
}

// movingTime bounds how long a process may take to close its sockets; one that takes longer is killed.
const movingTime = 5 * time.Second

// Start is the package's Start, of a process that may have been another spec's, and goes to the reserve when
// it is stopped. Here the calling thread may end before it.
func (r *Reserve) Start(opts Options) (*Process, error) {
	p, err := r.start(opts.Name)
	if err != nil {
		return nil, fmt.Errorf("start process %q: %w", opts.Name, err)
	}
	return &Process{opts.Name, p}, nil
}

func (r *Reserve) start(name string) (*own, error) {
	host, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("hold the network namespace: %w", err)
	}
	defer host.Close()
	p, err := r.next(name)
	if err != nil {
		return nil, err
	}
	p.begin()
	p.move(context.Background(), host) // before whatever else it will be asked for; without success it ends
	return p, nil
}

// next is a process that waits, or a new one.
func (r *Reserve) next(name string) (*own, error) {
	p := newOwn(name)
	p.reserve = r
	r.mu.Lock()
	defer r.mu.Unlock()
	if waiting := r.idle[name]; len(waiting) > 0 {
		former := waiting[len(waiting)-1]
		r.idle[name] = waiting[:len(waiting)-1]
		p.pid, p.control, p.stderr = former.pid, former.control, former.stderr
		return p, nil
	}
	if err := r.open(); err != nil {
		return nil, err
	}
	spawned := make(chan error)
	r.calls <- func() { spawned <- p.spawnRole() }
	return p, <-spawned
}

// open begins the thread that starts processes, which they die with (PR_SET_PDEATHSIG).
func (r *Reserve) open() error {
	if r.calls != nil {
		return nil
	}
	calls, opened := make(chan func()), make(chan error)
	go func() {
		runtime.LockOSThread()
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, role.RuntimeSlack, 0, 0, 0) // without it a role costs more, and works as well
		home, err := os.Open("/proc/thread-self/ns/net")
		r.home = home
		opened <- err
		for err == nil {
			(<-calls)()
		}
	}()
	if err := <-opened; err != nil {
		return fmt.Errorf("hold the reserve's network namespace: %w", err)
	}
	r.calls = calls
	return nil
}

// take takes a process that nobody needs any more, unless it cannot come.
func (r *Reserve) take(p *own) bool {
	p.life.Lock()
	able := !p.reaped && !p.frozen
	p.life.Unlock()
	p.mu.Lock()
	able = able && len(p.holders) == 0
	p.leaving = able
	p.mu.Unlock()
	if !able {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), movingTime)
	defer cancel()
	if _, err := p.move(ctx, r.home).wait(ctx); err != nil {
		return false
	}
	p.mu.Lock()
	quiet := len(p.pending) == 0
	p.mu.Unlock()
	if !quiet {
		return false
	}
	<-p.dead
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.idle == nil {
		r.idle = map[string][]*own{}
	}
	r.idle[p.name] = append(r.idle[p.name], p)
	return true
}

// move asks the process to close its sockets and to go to a network namespace.
func (p *own) move(ctx context.Context, to *os.File) *Pending {
	return p.send(ctx, role.Request{Op: role.OpMove, Value: unix.SYS_SETNS}, int(to.Fd()))
}
