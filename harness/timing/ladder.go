package timing

import (
	"math"
	"time"
)

// forever is a limit that is never reached.
const forever = time.Duration(math.MaxInt64)

// stampGrain is what TCP's time stamps are cut down to, at both ends of what is compared with a
// limit (tcp_time_stamp_ts).
const stampGrain = time.Millisecond

// maxExpiries ends a ladder that nothing limits.
const maxExpiries = 512

// ladder is a timer that arms itself again each time it fires, until an expiry finds that it is time
// to give up. Times are counted from the ladder's zero, where the clock of its limit starts.
type ladder struct {
	wheel Wheel
	start Window // when the first interval begins
	// interval is what the timer is armed with for expiry i (from 1), in whole jiffies.
	interval func(i int) time.Duration
	// limit is the time at or after which expiry i gives up: 0 always, forever never.
	limit func(i int) time.Duration
	// clamp, if not 0, is the user timeout that an interval is cut down to end at
	// (tcp_clamp_rto_to_user_timeout), from expiry clampFrom on.
	clamp     time.Duration
	clampFrom int
	// grain is how far a comparison with the limit may be off, either way.
	grain time.Duration
}

// ending is everything a ladder can come to.
type ending struct {
	Window               // of giving up
	first, last int      // the first and the last expiry that can be the one that gives up
	at          []Window // of each expiry that can be survived
}

// climb follows the earliest and the latest of every expiry.
func (l ladder) climb() ending {
	end := ending{Window: Window{Floor: forever}}
	lo, hi := l.start.Floor, l.start.Ceiling
	for i := 1; i <= maxExpiries; i++ {
		step, limit := l.interval(i), l.limit(i)
		early, late := l.fire(i, step, lo, hi)
		if limit != forever && late >= limit-l.grain {
			end.Floor = min(end.Floor, max(early, limit-l.grain))
			end.Ceiling = max(end.Ceiling, late)
			if end.first == 0 {
				end.first = i
			}
			end.last = i
		}
		// An interval cut down to the user timeout cannot be survived: the timer does not fire early.
		cut := l.clamp != 0 && i >= l.clampFrom && lo+step >= l.clamp
		if limit == 0 || cut || limit != forever && early >= limit+l.grain {
			return end
		}
		lo, hi = early, late
		if limit != forever {
			hi = min(late, limit+l.grain)
		}
		end.at = append(end.at, Window{Floor: lo, Ceiling: hi})
	}
	return end
}

// fire is when expiry i comes, if the one before came between lo and hi.
func (l ladder) fire(i int, step, lo, hi time.Duration) (early, late time.Duration) {
	if l.clamp == 0 || i < l.clampFrom {
		return lo + step, hi + step + l.wheel.Lateness(step)
	}
	armed := func(at, clamp time.Duration) time.Duration {
		return min(step, max(l.wheel.RoundUp(clamp-at), l.wheel.Jiffy()))
	}
	early = lo + min(step, max(l.clamp-l.grain-lo, 0))
	// The latest expiry begins at either end, or where the interval just need not be cut down: there
	// it is longest, and so is its lateness.
	for _, at := range []time.Duration{lo, hi, min(max(l.clamp-step, lo), hi)} {
		a := armed(at, l.clamp+l.grain)
		late = max(late, at+a+l.wheel.Lateness(a))
	}
	return early, late
}
