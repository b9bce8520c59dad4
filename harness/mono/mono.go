// Package mono reads CLOCK_MONOTONIC, the one clock every event of a spec is stamped with:
// packets, reads, writes, deaths and faults, in whichever process they are seen.
package mono

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now is the time since the kernel booted, not counting suspension (clock_gettime(2)).
func Now() time.Duration { return read(unix.CLOCK_MONOTONIC) }

// RealOffset is CLOCK_REALTIME minus CLOCK_MONOTONIC at this moment: what turns a packet's
// SO_TIMESTAMPNS stamp into monotonic time. Read it close to the packet, so that a clock that
// NTP slews (500 ppm at most) does not matter.
func RealOffset() time.Duration { return read(unix.CLOCK_REALTIME) - Now() }

func read(clock int32) time.Duration {
	var ts unix.Timespec
	// clock_gettime fails only for an unknown clock or a bad pointer; neither can be here.
	_ = unix.ClockGettime(clock, &ts)
	return time.Duration(ts.Nano())
}
