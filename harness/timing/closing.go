package timing

import (
	"fmt"
	"time"
)

// deathBound is how long a death may take to reach the wire. It is this suite's number: do_exit
// closes the descriptors at once, and 1 ms was measured.
const deathBound = 100 * time.Millisecond

// Death is when the FIN or RST leaves of a process that dies, from the death. Nothing is waited
// for: it is the last descriptor's end that sends it (exit_files, inet_release, tcp_close).
func Death() Window {
	return Window{Ceiling: deathBound, Source: "a death closes the descriptors, do_exit"}
}

// defaultOrphanRetries is what tcp_orphan_retries=0 stands for while the RTO is below its maximum (tcp_orphan_retries).
const defaultOrphanRetries = 8

// Orphan is a connection whose process is gone and whose FIN (or data before it) is never acknowledged.
type Orphan struct {
	Retries     int           // tcp_orphan_retries; 0: 8 while the RTO is below RTOMax, and then none
	RTO, RTOMax time.Duration // RTOMax 0: 120 s
	UserTimeout time.Duration // TCP_USER_TIMEOUT; not 0: replaces Retries

	TailLossProbe bool          // as in Retransmission: the FIN is probed for too
	SRTT, RTOMin  time.Duration // as in Retransmission

	Wheel Wheel
}

// Gone is when the orphan is dropped, in silence, from the moment its first unacknowledged segment
// (the FIN, if nothing else was in flight) was sent.
func (o Orphan) Gone() Window { return o.retransmission().First().Then(o.GoneAfterFirst()) }

// GoneAfterFirst is the same from T1, the first retransmission by RTO.
func (o Orphan) GoneAfterFirst() Window { return o.climb().Window }

// GoneBetween is the same as GoneAfterFirst on a machine that may also be late to run a timer that has
// expired, as Retransmission.AbortBetween is.
func (o Orphan) GoneBetween() Window {
	end := o.climb()
	limit := o.UserTimeout
	if limit == 0 {
		limit = Model(o.retries(), o.RTOMax)
	}
	return Window{Floor: min(end.Floor, limit-grain(o.Wheel)), Ceiling: end.Ceiling, Source: end.Source}
}

// retries is tcp_orphan_retries, with 8 for 0.
func (o Orphan) retries() int {
	if o.Retries == 0 {
		return defaultOrphanRetries
	}
	return o.Retries
}

func (o Orphan) retransmission() Retransmission {
	return Retransmission{RTO: o.RTO, RTOMax: o.RTOMax, UserTimeout: o.UserTimeout,
		TailLossProbe: o.TailLossProbe, SRTT: o.SRTT, RTOMin: o.RTOMin, Wheel: o.Wheel}
}

func (o Orphan) climb() ending {
	rtoMax, r, retries := orElse(o.RTOMax, RTOMax), o.retransmission(), o.retries()
	source := fmt.Sprintf("model(%d) of tcp_orphan_retries", retries)
	if o.UserTimeout != 0 {
		source = fmt.Sprintf("TCP_USER_TIMEOUT %v of an orphan", o.UserTimeout)
	}
	end := ladder{
		wheel:    o.Wheel,
		interval: r.interval,
		limit: func(i int) time.Duration {
			switch {
			case o.UserTimeout != 0:
				return o.UserTimeout
			case o.Retries == 0 && r.interval(i) >= rtoMax:
				return Model(0, rtoMax)
			default:
				return Model(retries, rtoMax)
			}
		},
		clamp: o.UserTimeout, clampFrom: 1,
		grain: grain(o.Wheel),
	}.climb()
	end.Source = source
	return end
}

// FinWait2 is an orphan whose FIN has been acknowledged and whose peer never closes.
type FinWait2 struct {
	Timeout time.Duration // tcp_fin_timeout, or TCP_LINGER2
	RTO     time.Duration
	Wheel   Wheel
}

// Gone is when the orphan is dropped, in silence, from its entry into FIN_WAIT2. The timeout is at
// least 3.5 RTO (tcp_fin_time). A timeout over 60 s is waited out by two timers of Timeout - 60 s
// each, one of the socket (tcp_keepalive_timer) and one of the mini-socket it then becomes: 120 s takes 120 s, but
// 90 s takes 60 s and 62 s takes 4 s.
func (f FinWait2) Gone() Window {
	source := fmt.Sprintf("tcp_fin_timeout %v", f.Timeout)
	least := 4*f.RTO - f.RTO/2
	timeout := max(f.Timeout, least)
	if timeout <= TimeWaitLen {
		return f.Wheel.after(f.Wheel.RoundUp(timeout), source)
	}
	rest := timeout - TimeWaitLen
	return f.Wheel.after(f.Wheel.RoundUp(rest), source).Then(f.Wheel.after(f.Wheel.RoundUp(max(rest, least)), source))
}

// Armed are what the timers show as left that are waited out one after the other, so long after each
// was armed at the latest: one timer, or two of a timeout over 60 s.
func (f FinWait2) Armed(elapsed time.Duration) []Window {
	armed := func(d time.Duration) Window {
		d = f.Wheel.RoundUp(d)
		return Window{Floor: d - elapsed - f.Wheel.Jiffy(), Ceiling: d + f.Wheel.Jiffy(), Source: fmt.Sprintf("what is left of tcp_fin_timeout %v", f.Timeout)}
	}
	least := 4*f.RTO - f.RTO/2
	timeout := max(f.Timeout, least)
	if timeout <= TimeWaitLen {
		return []Window{armed(timeout)}
	}
	rest := timeout - TimeWaitLen
	return []Window{armed(rest), armed(max(rest, least))}
}

// TimeWait is a connection that was closed in order, on the side that closed first.
type TimeWait struct{ Wheel Wheel }

// Gone is when the connection is forgotten, from its entry into TIME_WAIT: 60 s, the constant
// TCP_TIMEWAIT_LEN, whatever tcp_fin_timeout is. Another FIN received starts it anew.
func (t TimeWait) Gone() Window { return t.Wheel.after(TimeWaitLen, "TIME_WAIT, TCP_TIMEWAIT_LEN") }

// Armed is what the timer shows as left, so long after the entry into TIME_WAIT: whole jiffies, of
// which the present one may have begun before or after the entry's own moment within its jiffy.
func (t TimeWait) Armed(elapsed time.Duration) Window {
	left := TimeWaitLen - elapsed
	return Window{Floor: left - t.Wheel.Jiffy(), Ceiling: left + t.Wheel.Jiffy(), Source: "what is left of TCP_TIMEWAIT_LEN"}
}

// Lingering is when a close(2) returns that SO_LINGER makes wait for a peer that acknowledges nothing:
// after the linger time, a timer of the wheel (sk_stream_wait_close, schedule_timeout).
func Lingering(linger time.Duration, wheel Wheel) Window {
	return wheel.seen(wheel.RoundUp(linger), fmt.Sprintf("SO_LINGER %v", linger))
}

// Prompt is when a call returns for which nothing is left to wait, or one that has waited for what has
// just happened: the bound of this suite for what takes microseconds.
func Prompt() Window {
	return Window{Ceiling: deathBound, Source: "nothing is waited for"}
}
