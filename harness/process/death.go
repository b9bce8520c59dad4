package process

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/process/role"
)

// Manner is a way for a process to die. None of them closes a descriptor first.
type Manner uint8

// The manners of death.
const (
	Killed     Manner = iota + 1 // SIGKILL, sent by the spec
	Terminated                   // SIGTERM, sent by the spec to a process that has no handler for it
	Segfault                     // SIGSEGV, by a write to memory that is not there
	Aborted                      // SIGABRT, raised by the process as abort(3) does
	Exited                       // exit_group(2), status 0
	Panicked                     // a Go panic that nobody recovers, status 2
)

// Manners are all of them, in the order above.
func Manners() []Manner {
	return []Manner{Killed, Terminated, Segfault, Aborted, Exited, Panicked}
}

// String names the manner as a table of claims would: "SIGKILL", "exit", "Go panic".
func (m Manner) String() string {
	if sig := m.signal(); sig != 0 {
		return unix.SignalName(sig)
	}
	switch m {
	case Exited:
		return "exit"
	case Panicked:
		return "Go panic"
	}
	return fmt.Sprintf("manner %d", uint8(m))
}

// signal is the one that the wait status must show, 0 where the process exits by itself.
func (m Manner) signal() unix.Signal {
	switch m {
	case Killed:
		return unix.SIGKILL
	case Terminated:
		return unix.SIGTERM
	case Segfault:
		return unix.SIGSEGV
	case Aborted:
		return unix.SIGABRT
	}
	return 0
}

// own is what the process is told that is to die by itself.
func (m Manner) own() int {
	return map[Manner]int{Segfault: role.BySegfault, Aborted: role.ByAbort, Exited: role.ByExit, Panicked: role.ByPanic}[m]
}

// matches tells whether a wait status is what this manner leads to. A core dump would not do:
// the descriptors stay open until it is written (do_coredump comes before exit_files).
func (m Manner) matches(status unix.WaitStatus) bool {
	if sig := m.signal(); sig != 0 {
		return status.Signaled() && status.Signal() == sig && !status.CoreDump()
	}
	if !status.Exited() {
		return false
	}
	if m == Panicked {
		return status.ExitStatus() == 2
	}
	return status.ExitStatus() == 0
}

// Death is the end of a process.
type Death struct {
	Manner Manner
	At     time.Duration // monotonic time right before the signal, or the last stamp of a process that dies by itself
	Gone   time.Duration // monotonic time right after wait4(2) returned
	Status unix.WaitStatus
}

// String tells the death in one line: "killed by SIGKILL".
func (d Death) String() string { return Ending(d.Status) }

// Ending tells a wait status: "killed by SIGSEGV", "exited with status 2".
func Ending(status unix.WaitStatus) string {
	switch {
	case status.Signaled() && status.CoreDump():
		return "killed by " + unix.SignalName(status.Signal()) + ", core dumped"
	case status.Signaled():
		return "killed by " + unix.SignalName(status.Signal())
	case status.Exited():
		return fmt.Sprintf("exited with status %d", status.ExitStatus())
	}
	return fmt.Sprintf("wait status %#x", uint32(status))
}

func (p *own) Die(ctx context.Context, m Manner) (Death, error) {
	death := Death{Manner: m}
	switch m {
	case Killed, Terminated:
		at, err := p.signal(m.signal())
		if err != nil {
			return Death{}, fmt.Errorf("die by %s: %w", m, err)
		}
		death.At = at
	case Segfault, Aborted, Exited, Panicked:
		a, err := p.send(ctx, role.Request{Op: role.OpDie, Value: m.own()}, -1).wait(ctx)
		if err != nil {
			return Death{}, fmt.Errorf("die by %s: %w", m, err)
		}
		death.At = time.Duration(a.At)
	default:
		return Death{}, fmt.Errorf("process %q cannot die by %s", p.name, m)
	}
	select {
	case <-p.dead:
	case <-ctx.Done():
		return Death{}, fmt.Errorf("process %q has not died by %s: %w", p.name, m, context.Cause(ctx))
	}
	p.life.Lock()
	defer p.life.Unlock()
	death.Gone, death.Status = p.gone, p.status
	if !m.matches(p.status) {
		return death, fmt.Errorf("process %q was to die by %s, but %s", p.name, m, Ending(p.status))
	}
	return death, nil
}
