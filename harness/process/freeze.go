package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func (p *own) Freeze() error { return p.change(true) }

func (p *own) Thaw() error { return p.change(false) }

// change sends a signal and waits for the change of state it brings. The kernel reports a stop
// once the last thread has stopped (do_signal_stop), so nothing runs any more after it.
func (p *own) change(freeze bool) error {
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
