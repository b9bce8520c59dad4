// Package mono reads CLOCK_MONOTONIC, the one clock every event of a spec is stamped with:
// packets, reads, writes, deaths and faults, in whichever process they are seen.
package mono

import (
	"time"
	_ "unsafe" // for go:linkname
)

// Now is the time since the kernel booted, not counting suspension (clock_gettime(2)).
func Now() time.Duration { return time.Duration(nanotime()) }

// nanotime is what the runtime's timers and time.Since go by: CLOCK_MONOTONIC without a system call (vdso(7)), where the
// processor's clock can be read. Package time tells differences of it only.
//
//go:linkname nanotime runtime.nanotime
func nanotime() int64

// RealOffset is CLOCK_REALTIME minus CLOCK_MONOTONIC at this moment: what turns a packet's
// SO_TIMESTAMPNS stamp into monotonic time. Read it close to the packet, so that a clock that
// NTP slews (500 ppm at most) does not matter.
func RealOffset() time.Duration { return time.Duration(time.Now().UnixNano()) - Now() }
