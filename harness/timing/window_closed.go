package timing

import (
	"fmt"
	"time"
)

// InvalidRateLimit is the default of tcp_invalid_ratelimit: the least time between two answers of one
// socket to what does not belong into its window (HZ/2, tcp_sk_init).
const InvalidRateLimit = 500 * time.Millisecond

// Intervals are the first n times between successive probes of a peer that answers each with a window
// that is still closed: the first from the acknowledgement that closed the window to the first
// probe, each other from one probe to the next (tcp_ack_probe arms the timer anew at the answer).
func (p Persist) Intervals(n int) []Window {
	intervals := make([]Window, n)
	for i := range intervals {
		intervals[i] = p.Wheel.seen(p.interval(i+1), fmt.Sprintf("window probe %d, RTO doubled at most tcp_retries2=%d times", i+1, p.Retries2))
	}
	return intervals
}

// AbortByUserTimeout is when TCP_USER_TIMEOUT ends the connection, from the first probe: its clock
// (icsk_probes_tstamp) starts there and not when the window closed, and a peer that answers does not
// stop it (tcp_probe_timer). The last interval is cut down to end at it, but not below two jiffies
// (tcp_clamp_probe0_to_user_timeout).
func (p Persist) AbortByUserTimeout(timeout time.Duration) Window {
	longest := p.interval(1)
	for i := 2; longest < timeout && p.interval(i) > longest; i++ {
		longest = p.interval(i)
	}
	rounded, least := p.Wheel.RoundUp(timeout), 2*p.Wheel.Jiffy() // TCP_TIMEOUT_MIN
	return Window{
		Floor:   max(timeout-p.Wheel.Jiffy(), 0),
		Ceiling: rounded + least + p.Wheel.Lateness(min(longest, rounded)),
		Source:  fmt.Sprintf("TCP_USER_TIMEOUT %v from the first window probe", timeout),
	}
}

// Orphaned is Persist once the process is gone: tcp_orphan_retries decides, and a peer that answers
// does not keep the connection for ever (tcp_probe_timer).
type Orphaned struct {
	Persist
	Retries int // tcp_orphan_retries; 0: 8 while the timeout is below RTOMax, and then none
}

// SilentAbort is when the orphan is dropped whose probes nobody answers, from the moment the probe
// timer was armed: one interval after the last of so many probes.
func (o Orphaned) SilentAbort() Window {
	retries := o.Count()
	return o.abort(fmt.Sprintf("%d window probes, tcp_orphan_retries", retries), func(i int) bool { return i > retries || o.backedOff(i) })
}

// Count is how many probes the orphan sends that nobody answers.
func (o Orphaned) Count() int {
	if o.Retries == 0 {
		return defaultOrphanRetries
	}
	return o.Retries
}

// AnsweredAbort is when the orphan is dropped whose probes are all answered by a closed window, from
// the moment the probe timer was armed: at the first expiry that finds the timeout backed off to
// RTOMax. It never is if tcp_retries2 ends the backoff before; possible tells.
func (o Orphaned) AnsweredAbort() (abort Window, possible bool) {
	if !o.backedOff(o.Retries2 + 1) {
		return Window{}, false
	}
	return o.abort("an orphan's window probe, its timeout backed off to the ceiling", o.backedOff), true
}

// backedOff tells whether expiry i finds the timeout doubled up to its ceiling, and
// tcp_orphan_retries as often.
func (o Orphaned) backedOff(i int) bool {
	doubled := max(o.Backoff, min(o.Backoff+i-1, o.Retries2))
	if doubled < o.Retries {
		return false
	}
	rto, rtoMax := o.Wheel.RoundUp(o.RTO), orElse(o.RTOMax, RTOMax)
	for range doubled {
		if rto >= rtoMax {
			break
		}
		rto *= 2
	}
	return rto >= rtoMax
}

func (o Orphaned) abort(source string, ends func(i int) bool) Window {
	end := ladder{
		wheel:    o.Wheel,
		interval: o.interval,
		limit: func(i int) time.Duration {
			if ends(i) {
				return 0
			}
			return forever
		},
	}.climb()
	end.Source = source
	return end.Window
}

// Shrunk is data in flight to a peer that has taken back its window, down to zero: retransmissions
// take the place of probes (tcp_retransmit_timer), and tcp_retries2 does not count.
type Shrunk struct {
	RTO, RTOMax time.Duration // RTO when the window was taken back; RTOMax 0: 120 s
	UserTimeout time.Duration // TCP_USER_TIMEOUT; not 0: the limit, if the peer answers
	InJiffies   bool          // its milliseconds are compared with jiffies (tcp_rtx_probe0_timed_out before 6.10)
	Wheel       Wheel
}

// Intervals are n times between successive copies, from when the timer was armed, at the write or at
// the last acknowledgement of a whole segment: the first ends at T1.
func (s Shrunk) Intervals(n int) []Window {
	intervals := make([]Window, n)
	for i, interval := range Backoff(s.Wheel.RoundUp(s.RTO), s.RTOMax, n) {
		intervals[i] = s.Wheel.seen(interval, fmt.Sprintf("RTO at a window of zero, backed off %d times", i))
	}
	return intervals
}

// AbortAfterFirst is when the connection is given up, from T1. Of a peer that is silent, more than
// two RTOMax must have gone since it was last heard of, and since T1 (tcp_rtx_probe0_timed_out).
// With TCP_USER_TIMEOUT it is that, although the peer answers; the timer ends the interval it
// falls in (tcp_clamp_rto_to_user_timeout), and fires each jiffy if the limit is still not reached.
func (s Shrunk) AbortAfterFirst() Window {
	limit, source := 2*orElse(s.RTOMax, RTOMax), "2 RTOMax of silence at a window that shrank to zero"
	clamp := s.UserTimeout
	if clamp != 0 {
		limit, source = clamp, fmt.Sprintf("TCP_USER_TIMEOUT %v at a window that shrank to zero", clamp)
	}
	if s.InJiffies && clamp != 0 && s.Wheel.HZ > 0 {
		limit = s.Wheel.duration(int64(clamp / time.Millisecond))
		source += ", taken for jiffies"
		// After the user timeout the timer is armed for one jiffy, again and again.
		return Window{Floor: limit - stampGrain, Ceiling: limit + 3*s.Wheel.Jiffy() + s.Wheel.Lateness(s.Wheel.Jiffy()), Source: source}
	}
	backoff := Backoff(s.Wheel.RoundUp(s.RTO), s.RTOMax, maxExpiries+1)
	end := ladder{
		wheel:    s.Wheel,
		interval: func(i int) time.Duration { return backoff[i] },
		limit:    func(int) time.Duration { return limit },
		clamp:    clamp, clampFrom: 1,
		grain: grain(s.Wheel),
	}.climb()
	end.Source = source
	if clamp != 0 {
		// More than the limit must have gone, so that an expiry right at it is not the last.
		end.Ceiling += s.Wheel.Jiffy() + s.Wheel.Lateness(s.Wheel.Jiffy())
	}
	return end.Window
}
