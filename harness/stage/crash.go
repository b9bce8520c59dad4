package stage

import (
	"errors"
	"fmt"
	"time"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/mono"
)

// What only a machine can do, in claims that are proved on machines alone. The faults return the moment
// just before they were set.

// Panic makes the host's kernel panic, and boot again by itself, which Return waits for.
func (h *Host) Panic() time.Duration {
	return h.strike(func() error { return h.lab.Panic(true) })
}

// PanicForGood makes the host's kernel panic and stay as it is: kernel.panic is 0.
func (h *Host) PanicForGood() time.Duration {
	if h.scene.sabotaged("pause-instead") {
		at := h.strike(h.lab.Pause)
		mustStage(h.lab.Resume())
		return at
	}
	return h.strike(func() error { return h.lab.Panic(false) })
}

// Reset presses the host's reset button; Return waits until it is up again.
func (h *Host) Reset() time.Duration {
	return h.strike(h.lab.Reset)
}

// Restart restarts the host in order: its processes end, then its kernel. It is back when Return has
// returned.
func (h *Host) Restart() time.Duration {
	if h.scene.sabotaged("reset-instead") {
		return h.Reset()
	}
	return h.strike(h.lab.Restart)
}

// Return waits until a host that restarts is back with its addresses, and with no memory of any connection,
// and returns the moment when it is.
func (h *Host) Return() time.Duration {
	if h.scene.sabotaged("no-reboot") {
		return mono.Now()
	}
	h.strike(h.lab.Return)
	return mono.Now()
}

// Pause makes the host hang, with its clock, as a virtual machine that is stopped or moved.
func (h *Host) Pause() time.Duration {
	return h.strike(h.lab.Pause)
}

// Resume lets it go on.
func (h *Host) Resume() time.Duration {
	return h.strike(h.lab.Resume)
}

// strike is fault for what takes a machine: where the host is a namespace, the spec is unsupported.
func (h *Host) strike(set func() error) time.Duration {
	return h.fault(func() error {
		err := set()
		if errors.Is(err, lab.ErrNoMachine) {
			unsupported(fmt.Sprintf("the %s is a network namespace here, and only a machine can do this", h))
		}
		return err
	})
}
