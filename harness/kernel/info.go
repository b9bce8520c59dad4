package kernel

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Info is what the kernel says of itself.
type Info struct {
	Release string  // uname -r
	Version string  // uname -v
	Machine string  // uname -m
	Parsed  Version // the numbers of Release
	HZ      int     // timer interrupts a second, CONFIG_HZ
}

// Running is the Info of the kernel that runs this process.
//
// HZ is exact, and read from the kernel itself, not from a configuration file that may be missing:
// the resolution of CLOCK_MONOTONIC_COARSE is one tick (clock_getres(2); KTIME_LOW_RES, TICK_NSEC).
func Running() (Info, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return Info{}, fmt.Errorf("the kernel does not say its name: uname: %w", err)
	}
	info := Info{
		Release: unix.ByteSliceToString(uts.Release[:]),
		Version: unix.ByteSliceToString(uts.Version[:]),
		Machine: unix.ByteSliceToString(uts.Machine[:]),
	}
	var err error
	if info.Parsed, err = ParseRelease(info.Release); err != nil {
		return info, err
	}
	var tick unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &tick); err != nil {
		return info, fmt.Errorf("HZ could not be read: clock_getres of CLOCK_MONOTONIC_COARSE: %w", err)
	}
	if tick.Nano() <= 0 {
		return info, fmt.Errorf("HZ could not be read: clock_getres of CLOCK_MONOTONIC_COARSE gives %d ns", tick.Nano())
	}
	// The tick is rounded to a nanosecond (HZ=300: 3333333), so HZ must be rounded back.
	info.HZ = int((int64(time.Second) + tick.Nano()/2) / tick.Nano())
	return info, nil
}
