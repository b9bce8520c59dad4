package timing

import (
	"fmt"
	"time"
)

// Keepalive is an idle connection with SO_KEEPALIVE whose other end has fallen silent. Times are
// counted from the last segment received; the option must have been set before that (or TCP_KEEPIDLE
// after SO_KEEPALIVE, which arms the timer by the last segment too: SO_KEEPALIVE alone arms it by the
// moment it is set).
type Keepalive struct {
	Idle, Interval time.Duration // TCP_KEEPIDLE, TCP_KEEPINTVL
	Count          int           // TCP_KEEPCNT
	UserTimeout    time.Duration // TCP_USER_TIMEOUT; not 0: decides in the place of Count
	Wheel          Wheel
}

// Probes are the windows of each unanswered probe, from the last segment received. With UserTimeout
// they are as many as there can be; the last may not be sent if timers are late.
func (k Keepalive) Probes() []Window {
	probes := append([]Window{k.first()}, k.climb().at...)
	for i := range probes {
		probes[i] = k.seen(probes[i])
		probes[i].Source = fmt.Sprintf("keepalive probe %d", i+1)
	}
	return probes
}

// ProbesRange is the fewest and the most probes that lateness can lead to; they differ only with UserTimeout.
func (k Keepalive) ProbesRange() (least, most int) {
	end := k.climb()
	return end.first, end.last
}

// Detection is when the connection is given up with ETIMEDOUT, from the last segment received.
// Without UserTimeout that is one interval after the last probe, Idle + Count*Interval. With it,
// it is the first tick of the same timer after a probe at which so much time has passed.
func (k Keepalive) Detection() Window { return k.seen(k.climb().Window) }

// Gap is the time between two probes that nobody answers, and from the last of them to the RST.
func (k Keepalive) Gap() Window {
	return k.seen(k.Wheel.after(k.Wheel.RoundUp(k.Interval), fmt.Sprintf("keepalive interval %v", k.Interval)))
}

// first is the window of the first probe, as the kernel counts.
func (k Keepalive) first() Window { return k.Wheel.after(k.Wheel.RoundUp(k.Idle), "") }

// seen is a window of the kernel's count as a clock sees it. The kernel counts jiffies from the one in which the
// last segment was received (keepalive_time_elapsed), and that segment may have come at the jiffy's very end.
func (k Keepalive) seen(w Window) Window {
	w.Floor -= k.Wheel.Jiffy()
	return w
}

func (k Keepalive) climb() ending {
	l := ladder{
		wheel:    k.Wheel,
		start:    k.first(),
		interval: func(int) time.Duration { return k.Wheel.RoundUp(k.Interval) },
	}
	source := ""
	if k.UserTimeout != 0 {
		limit := k.Wheel.RoundUp(k.UserTimeout)
		l.limit = func(int) time.Duration { return limit }
		source = fmt.Sprintf("keepalive %v + n x %v until TCP_USER_TIMEOUT %v", k.Idle, k.Interval, k.UserTimeout)
	} else {
		l.limit = func(i int) time.Duration {
			if i >= k.Count {
				return 0
			}
			return forever
		}
		source = fmt.Sprintf("keepalive %v + %d x %v", k.Idle, k.Count, k.Interval)
	}
	end := l.climb()
	end.Source = source
	return end
}
