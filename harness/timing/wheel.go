package timing

import "time"

// The shape of kernel/time/timer.c: levels of 64 buckets, each level eight times as coarse.
const (
	levelShift = 3  // LVL_CLK_SHIFT
	levelSize  = 64 // LVL_SIZE
)

// Wheel is the kernel's timer wheel (kernel/time/timer.c, since 4.8): what a timer armed with
// mod_timer really does. The zero Wheel is an ideal one: no jiffies and no lateness.
type Wheel struct{ HZ int }

// Jiffy is the length of one tick, 1/HZ seconds.
func (w Wheel) Jiffy() time.Duration { return w.duration(1) }

// RoundUp is d in whole jiffies, as usecs_to_jiffies and msecs_to_jiffies round it.
func (w Wheel) RoundUp(d time.Duration) time.Duration {
	if w.HZ <= 0 {
		return d
	}
	return w.duration(w.jiffies(d))
}

// Lateness is how late, at most, a timer armed for d fires: one bucket of the level that d is on,
// and one jiffy, as the tick that runs it may itself be one late. It is one-sided: a timer is
// put into the bucket after the one its expiry lies in (calc_index), so none fires early.
//
// One bucket, for d: at HZ=250, 4 ms up to 0.25 s, 32 ms up to 2 s, 256 ms up to 16 s, 2.05 s up to
// 129 s, 16.4 s up to 17 minutes, 131 s up to 2.3 hours.
func (w Wheel) Lateness(d time.Duration) time.Duration {
	if w.HZ <= 0 {
		return 0
	}
	// A timer armed within the run of an expired one is measured from a wheel clock that may already
	// stand one tick further, or still one tick back: at the edge of two levels the coarser counts.
	n, level := w.jiffies(d)+1, uint(0)
	for level < w.depth()-1 && n >= (levelSize-1)<<(level*levelShift) { // LVL_START(level + 1)
		level++
	}
	return w.duration(1<<(level*levelShift) + 1)
}

// after is the window of one timer armed for d, as the kernel counts.
func (w Wheel) after(d time.Duration, source string) Window {
	return Window{Floor: d, Ceiling: d + w.Lateness(d), Source: source}
}

// seen is after by a clock finer than jiffies, which may see the timer a little early. The wheel counts
// from jiffies, which the tick of a single CPU advances (tick_do_timer_cpu): what another CPU arms at
// the edge of a tick, before that one has been there, counts from the jiffy before: 51 jiffies of
// 4 ms were seen to last 203.994 ms. The floor is one jiffy lower for that.
func (w Wheel) seen(d time.Duration, source string) Window {
	window := w.after(d, source)
	window.Floor = max(window.Floor-w.Jiffy(), 0)
	return window
}

// depth is LVL_DEPTH.
func (w Wheel) depth() uint {
	if w.HZ > 100 {
		return 9
	}
	return 8
}

// jiffies is d in ticks, rounded up.
func (w Wheel) jiffies(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	sec, rest := int64(d/time.Second), int64(d%time.Second)
	return sec*int64(w.HZ) + (rest*int64(w.HZ)+int64(time.Second)-1)/int64(time.Second)
}

// duration is n ticks; a tick that is no whole number of nanoseconds (HZ=300) is cut, so that
// jiffies(duration(n)) == n.
func (w Wheel) duration(n int64) time.Duration {
	if w.HZ <= 0 {
		return 0
	}
	hz := int64(w.HZ)
	return time.Duration(n/hz)*time.Second + time.Duration(n%hz*int64(time.Second)/hz)
}
