package timing

import (
	"fmt"
	"time"
)

// thinRetries is TCP_THIN_LINEAR_RETRIES, how many timeouts of a thin stream are not backed off.
const thinRetries = 6

// Retransmission is data that is never acknowledged: written once, sent again until the kernel gives up.
// Only RTO and Wheel, and Retries2 where UserTimeout is 0, must be given.
type Retransmission struct {
	RTO         time.Duration // at the write (tcpi_rto)
	RTOMax      time.Duration // tcp_rto_max_ms, TCP_RTO_MAX_MS; 0: 120 s
	Retries2    int           // tcp_retries2
	UserTimeout time.Duration // TCP_USER_TIMEOUT; not 0: replaces Retries2
	Thin        bool          // tcp_thin_linear_timeouts or TCP_THIN_LINEAR_TIMEOUTS, on a thin stream

	TailLossProbe bool          // a tail loss probe is sent: tcp_early_retrans 3 or 4, SACK
	SRTT          time.Duration // tcpi_rtt, for the time of the probe; 0: not known, the probe comes by the RTO
	RTOMin        time.Duration // for the time of the probe; 0: 200 ms
	PacketsOut    int           // for the time of the probe; 0: one

	Wheel Wheel
}

// Retransmits is how many times the segment is sent again by RTO before the abort if no timer is late.
// The wire shows one copy more, the original, and another one if there is a tail loss probe.
func (r Retransmission) Retransmits() int {
	r.RTO, r.Wheel = r.Wheel.RoundUp(r.RTO), Wheel{}
	return r.climb().first
}

// RetransmitsRange is the fewest and the most retransmissions by RTO that lateness can lead to.
func (r Retransmission) RetransmitsRange() (least, most int) {
	end := r.climb()
	return end.first, end.last
}

// First is when T1 is, the first retransmission by RTO, from the write. A tail loss probe comes
// before it, and the RTO is armed anew, in full, when the probe has left.
func (r Retransmission) First() Window {
	first := r.Wheel.after(r.Wheel.RoundUp(r.RTO), "first RTO retransmission, RFC 6298 5.1")
	if r.TailLossProbe {
		first = r.probe().Then(first)
	}
	return first
}

// AbortAfterFirst is when the connection is given up, from T1.
func (r Retransmission) AbortAfterFirst() Window { return r.climb().Window }

// AbortBetween is when the connection is given up, from T1, on a machine that may also be late to run a
// timer that has expired: that can carry an expiry over the limit which would have missed it, and the
// abort is then an interval earlier than AbortAfterFirst has it, but never before the limit. Which
// expiry it was, AbortAfterCopy tells.
func (r Retransmission) AbortBetween() Window {
	end := r.climb()
	limit, _ := r.limit()
	return Window{Floor: limit - grain(r.Wheel), Ceiling: end.Ceiling, Source: end.Source}
}

// AbortAfterCopy is when the connection is given up, from the last retransmission by RTO before, the
// n-th: the next expiry, if that is one which finds the limit reached.
func (r Retransmission) AbortAfterCopy(n int) Window {
	wait := r.Wheel.seen(r.interval(n), fmt.Sprintf("RTO, backed off %d times", r.backoff(n)))
	if r.UserTimeout != 0 {
		// The interval is cut down to end at the user timeout, however little of that is left.
		wait.Floor = 0
	}
	return wait
}

// CopiesBefore is the latest, from T1, that a retransmission by RTO can be: an expiry after it gives up.
func (r Retransmission) CopiesBefore() time.Duration {
	limit, _ := r.limit()
	return limit + grain(r.Wheel)
}

// AbortAfterWrite is when the connection is given up, from the write.
func (r Retransmission) AbortAfterWrite() Window { return r.First().Then(r.AbortAfterFirst()) }

// AbortUnsent is when the connection is given up, from the last copy that has left, where the host has no
// way to send another: it lost its address or its route right after. The timer fires all the same
// and backs off, and the clock takes its start from that copy's time stamp and not from T1
// (tcp_retransmit_skb). A tail loss probe that cannot be sent either leaves the timer for the RTO
// where it was (tcp_send_loss_probe). It takes a Retries2 of 2 and more.
func (r Retransmission) AbortUnsent() Window {
	start := r.Wheel.after(r.Wheel.RoundUp(r.RTO), "")
	if r.TailLossProbe {
		jiffy := r.Wheel.Jiffy()
		start.Ceiling = max(start.Ceiling, r.probe().Ceiling+jiffy+r.Wheel.Lateness(jiffy))
	}
	limit, source := r.limit()
	end := ladder{
		wheel: r.Wheel, start: start, interval: r.interval,
		limit: func(int) time.Duration { return limit },
		grain: grain(r.Wheel),
	}.climb()
	end.Source = source + ", from the last copy that left"
	return end.Window
}

// Intervals are the times between successive copies on the wire, from the original to the last
// retransmission that can be: the first ends at the tail loss probe if there is one, or else at T1.
// The wait between the last copy and the abort is not among them.
func (r Retransmission) Intervals() []Window {
	var intervals []Window
	if r.TailLossProbe {
		intervals = append(intervals, r.probe())
	}
	intervals = append(intervals, r.Wheel.seen(r.Wheel.RoundUp(r.RTO), "RTO"))
	for i := range r.climb().at {
		step := r.interval(i + 1)
		intervals = append(intervals, r.Wheel.seen(step, fmt.Sprintf("RTO, backed off %d times", r.backoff(i+1))))
	}
	return intervals
}

func (r Retransmission) probe() Window {
	srtt := r.SRTT
	if srtt == 0 {
		// Whatever was measured, the RTO is the latest the probe can be, and rtoMin the earliest.
		w := r.Wheel.after(r.Wheel.RoundUp(r.RTO), "tail loss probe, tcp_schedule_loss_probe")
		w.Floor = min(w.Floor, orElse(r.RTOMin, RTOMin))
		if r.PacketsOut > 1 {
			w.Floor = min(w.Floor, 2*time.Millisecond)
		}
		return w
	}
	return TailLossProbe(srtt, r.RTO, r.RTOMin, r.PacketsOut, r.Wheel)
}

// Limit is what an expiry must find gone to give up: TCP_USER_TIMEOUT, or the time that tcp_retries2 stands for.
func (r Retransmission) Limit() time.Duration {
	limit, _ := r.limit()
	return limit
}

// limit is what an expiry must find gone since T1 to give up, and where that is written.
func (r Retransmission) limit() (limit time.Duration, source string) {
	if r.UserTimeout != 0 {
		return r.UserTimeout, fmt.Sprintf("TCP_USER_TIMEOUT %v", r.UserTimeout)
	}
	return Model(r.Retries2, r.RTOMax), fmt.Sprintf("model(%d) of tcp_retries2", r.Retries2)
}

func (r Retransmission) climb() ending {
	limit, source := r.limit()
	end := ladder{
		wheel:    r.Wheel,
		interval: r.interval,
		limit:    func(int) time.Duration { return limit },
		clamp:    r.UserTimeout, clampFrom: 1,
		grain: grain(r.Wheel),
	}.climb()
	end.Source = source
	return end
}

// interval is what the timer is armed with at retransmission i, for expiry i after T1.
func (r Retransmission) interval(i int) time.Duration {
	rto, rtoMax := r.Wheel.RoundUp(r.RTO), orElse(r.RTOMax, RTOMax)
	for range r.backoff(i) {
		if rto = 2 * rto; rto >= rtoMax {
			return rtoMax
		}
	}
	return min(rto, rtoMax)
}

// backoff is how often the RTO has been doubled when the timer for expiry i after T1 is armed.
func (r Retransmission) backoff(i int) int {
	if r.Thin {
		return max(i-thinRetries, 0)
	}
	return i
}

// grain is stampGrain, or nothing where timers are ideal.
func grain(w Wheel) time.Duration {
	if w.HZ <= 0 {
		return 0
	}
	return stampGrain
}
