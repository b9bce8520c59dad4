package timing

import (
	"fmt"
	"time"
)

// Tracked is an entry of connection tracking in a router. It has no timer of its own: it is found to be
// over when it is looked up (nf_ct_is_expired compares jiffies), so nothing is late.
type Tracked struct {
	Timeout time.Duration // whole seconds; the sysctl's of the state that the last segment led to
	Wheel   Wheel
}

// Forgotten is when the entry is over, from the last segment that the router accepted. The kernel counts
// from the jiffy in which that was, and its clock may be a jiffy behind where a processor was idle.
func (t Tracked) Forgotten() Window {
	return Window{Floor: t.Timeout - t.Wheel.Jiffy(), Ceiling: t.Timeout + t.Wheel.Jiffy(),
		Source: fmt.Sprintf("connection tracking's timeout of %v", t.Timeout)}
}

// Left is what the entry shows as left, so long after the segment: whole seconds, rounded down.
func (t Tracked) Left(elapsed time.Duration) Window {
	left := t.Timeout - elapsed
	return Window{Floor: left - time.Second - t.Wheel.Jiffy(), Ceiling: left + t.Wheel.Jiffy(),
		Source: fmt.Sprintf("what is left of connection tracking's timeout of %v", t.Timeout)}
}
