package stage

import (
	"time"

	. "github.com/onsi/ginkgo/v2"

	"github.com/halfopen/halfopen/harness/mono"
)

// What only a machine can do, in claims that are proved on machines alone. The faults return the moment
// just before they were set.

// Panic makes the host's kernel panic, and boot again by itself, which Return waits for.
func (h *Host) Panic() time.Duration {
	GinkgoHelper()
	return h.fault(func() error { return h.lab.Panic(true) })
}

// PanicForGood makes the host's kernel panic and stay as it is: kernel.panic is 0.
func (h *Host) PanicForGood() time.Duration {
	GinkgoHelper()
	if h.scene.sabotaged("pause-instead") {
		at := h.fault(h.lab.Pause)
		mustStage(h.lab.Resume())
		return at
	}
	return h.fault(func() error { return h.lab.Panic(false) })
}

// Reset presses the host's reset button; Return waits until it is up again.
func (h *Host) Reset() time.Duration {
	GinkgoHelper()
	return h.fault(h.lab.Reset)
}

// Restart restarts the host in order: its processes end, then its kernel. It is back when Return has
// returned.
func (h *Host) Restart() time.Duration {
	GinkgoHelper()
	if h.scene.sabotaged("reset-instead") {
		return h.Reset()
	}
	return h.fault(h.lab.Restart)
}

// Return waits until a host that restarts is back with its addresses, and with no memory of any connection.
func (h *Host) Return() time.Duration {
	GinkgoHelper()
	if h.scene.sabotaged("no-reboot") {
		return mono.Now()
	}
	return h.fault(h.lab.Return)
}

// Pause makes the host hang, with its clock, as a virtual machine that is stopped or moved.
func (h *Host) Pause() time.Duration {
	GinkgoHelper()
	at := h.fault(h.lab.Pause)
	if h.scene.sabotaged("power-off-instead") {
		return h.fault(h.lab.PowerOff)
	}
	return at
}

// Resume lets it go on.
func (h *Host) Resume() time.Duration {
	GinkgoHelper()
	if h.scene.sabotaged("no-resume") || !h.lab.Up() {
		return mono.Now()
	}
	return h.fault(h.lab.Resume)
}
