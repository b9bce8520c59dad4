package stage

import (
	"fmt"
	"time"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/report"
)

// Fault is one way for the other end of a connection to break, by the name that the table of
// detection has for it.
type Fault string

// The faults.
const (
	HostOff       Fault = report.HostOff
	HostRebooted  Fault = report.HostRebooted // off, and back at once without a memory
	ProcessKilled Fault = report.ProcessKilled
	ProcessFrozen Fault = report.ProcessFrozen
	CableOut      Fault = report.CableOut
	PathSilent    Fault = report.PathSilent // both directions lost without a word, as by a firewall that forgot the connection
)

// Faults are all of them. The first is the one that whatever notices anything notices by its own
// timeout: a sabotage is tried on the first case of a claim.
func Faults() []Fault {
	return []Fault{HostOff, ProcessKilled, ProcessFrozen, HostRebooted, CableOut, PathSilent}
}

// Strike breaks the other end and returns the moment just before. What the survivor does about it
// (nil: nothing) comes right after the fault, and before a host that reboots is back.
func (f Fault) Strike(hit, survivor *End, during func()) (at time.Duration) {
	switch f {
	case HostOff, HostRebooted:
		at = hit.Host.PowerOff()
	case ProcessKilled:
		at = hit.Kill().At
	case ProcessFrozen:
		at = hit.Freeze()
	case CableOut:
		at = hit.Host.Unplug()
	case PathSilent:
		at = mono.Now()
		survivor.Host.Blackhole(hit.Host, lab.All)
		hit.Host.Blackhole(survivor.Host, lab.All)
	default:
		broken(fmt.Errorf("there is no fault %q", f))
	}
	if during != nil {
		during()
	}
	if f == HostRebooted {
		s := hit.Host.scene
		s.rebooting, s.rebooted = hit.Host.Reboot(), mono.Now()
	}
	return at
}

// Rebooted is when the host that HostRebooted has struck began to come back, and when it was back: in between
// its cable may deliver what nobody there can answer yet.
func (e *End) Rebooted() (began, done time.Duration) {
	return e.Host.scene.rebooting, e.Host.scene.rebooted
}

// InProfile is the one value in the scaled profile and the other in the defaults, or in a custom profile: for
// the settings of an application, which no sysctl has.
func InProfile[T any](scaled, defaults T) T {
	if environment().profile == kernel.Scaled {
		return scaled
	}
	return defaults
}

// UserTimeoutInProfile is the TCP_USER_TIMEOUT of a spec's application: the one value in the scaled profile,
// the other in the defaults, and in a custom profile its own, if it has one.
func UserTimeoutInProfile(scaled, defaults time.Duration) time.Duration {
	if custom, _ := environment().profile.Custom(); custom.UserTimeout != 0 {
		return custom.UserTimeout
	}
	return InProfile(scaled, defaults)
}

// AsShipped tells whether a sysctl may be expected to be what the kernel's release is documented to have:
// in every profile but a custom one, as far as the profile leaves the sysctl alone.
func AsShipped() bool {
	_, custom := environment().profile.Custom()
	return !custom
}
