package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Freeze stops the process with SIGSTOP and returns when all of its threads have stopped. Its
// sockets stay open and its kernel goes on serving them; requests wait for the thaw. Nothing
// happens to a process that is frozen.
func (p *Process) Freeze() error { return p.change(true) }

// Thaw continues a frozen process with SIGCONT and returns when it goes on. Nothing happens to a
// process that is not frozen.
func (p *Process) Thaw() error { return p.change(false) }

// change sends a signal and waits for the change of state it brings. The kernel reports a stop
// once the last thread has stopped (do_signal_stop), so nothing runs any more after it.
func (p *Process) change(freeze bool) error {
	sig, options, reached := unix.SIGCONT, unix.WCONTINUED, unix.WaitStatus.Continued
	if freeze {
		sig, options, reached = unix.SIGSTOP, unix.WUNTRACED, unix.WaitStatus.Stopped
	}
	p.life.Lock()
	defer p.life.Unlock()
	if p.reaped {
		return p.died()
	}
	if p.frozen == freeze {
		return nil
	}
	if err := unix.Kill(p.pid, sig); err != nil {
		return fmt.Errorf("send %s to process %q: %w", unix.SignalName(sig), p.name, err)
	}
	status, err := p.collect(options)
	if err != nil {
		return err
	}
	if p.reaped {
		return p.died()
	}
	if !reached(status) {
		return fmt.Errorf("process %q did not follow %s: wait status %#x", p.name, unix.SignalName(sig), uint32(status))
	}
	p.frozen = freeze
	return nil
}
