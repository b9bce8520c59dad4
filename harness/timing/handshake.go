package timing

import (
	"fmt"
	"time"
)

// SYN is an active open that nobody answers. Times are counted from the first SYN.
type SYN struct {
	Retries     int           // tcp_syn_retries, TCP_SYNCNT
	Linear      int           // tcp_syn_linear_timeouts (4 by default since 6.5; 0 before)
	RTOMax      time.Duration // 0: 120 s
	UserTimeout time.Duration // TCP_USER_TIMEOUT; not 0: replaces the model of Retries, not its count
	Wheel       Wheel
}

// Sends are the windows of every SYN on the wire, the first one at 0.
func (s SYN) Sends() []Window {
	sends := append([]Window{{}}, s.climb().at...)
	for i := range sends {
		sends[i].Source = "first SYN"
		if i > 0 {
			sends[i].Source = fmt.Sprintf("SYN retransmission %d", i)
		}
	}
	return sends
}

// SendsRange is the fewest and the most SYNs on the wire that lateness can lead to: where an expiry is
// due just when the time is over, the slightest lateness makes it the last.
func (s SYN) SendsRange() (least, most int) {
	end := s.climb()
	return end.first, end.last
}

// Abort is when connect(2) fails with ETIMEDOUT: at the first expiry that finds Retries + Linear
// retransmissions made, or the time of Retries doublings of 1 s passed (2^(Retries+1) - 1 seconds).
func (s SYN) Abort() Window { return s.climb().Window }

func (s SYN) climb() ending {
	rtoMax := orElse(s.RTOMax, RTOMax)
	limit, source := model(s.Retries, InitialRTO, rtoMax), fmt.Sprintf("tcp_syn_retries %d, tcp_syn_linear_timeouts %d", s.Retries, s.Linear)
	if s.UserTimeout != 0 {
		limit, source = s.UserTimeout, fmt.Sprintf("TCP_USER_TIMEOUT %v of a SYN", s.UserTimeout)
	}
	end := ladder{
		wheel:    s.Wheel,
		interval: s.interval,
		limit: func(i int) time.Duration {
			switch retransmits := i - 1; {
			case retransmits >= s.Retries+s.Linear:
				return 0
			case retransmits == 0:
				return forever // retransmits_timed_out wants one retransmission at least
			default:
				return limit
			}
		},
		clamp: s.UserTimeout, clampFrom: 2,
		grain: grain(s.Wheel),
	}.climb()
	end.Source = source
	return end
}

// interval is what the timer is armed with for expiry i; the RTO is doubled once more than Linear
// retransmissions have been made.
func (s SYN) interval(i int) time.Duration {
	doubled := max(i-s.Linear, 1)
	return Backoff(InitialRTO, s.RTOMax, doubled)[doubled-1]
}

// Intervals are the times between successive SYNs, n of them, without UserTimeout: the one after the
// last SYN ends when connect(2) fails.
func (s SYN) Intervals(n int) []Window {
	return intervals(s.Wheel, s.interval, n, "SYN retransmission")
}

func intervals(wheel Wheel, interval func(int) time.Duration, n int, source string) []Window {
	var windows []Window
	for i := range n {
		windows = append(windows, wheel.seen(interval(i+1), fmt.Sprintf("%s %d", source, i+1)))
	}
	return windows
}

// SYNACK is a passive open whose SYN-ACK nobody acknowledges. Times are counted from the first SYN-ACK.
type SYNACK struct {
	Retries int           // tcp_synack_retries, TCP_SYNCNT of the listener
	RTOMax  time.Duration // of the listener (7.2; constant before); 0: 120 s
	Wheel   Wheel
}

// Sends are the windows of every SYN-ACK on the wire, the first one at 0.
func (s SYNACK) Sends() []Window {
	sends := append([]Window{{}}, s.climb().at...)
	for i := range sends {
		sends[i].Source = "first SYN-ACK"
		if i > 0 {
			sends[i].Source = fmt.Sprintf("SYN-ACK retransmission %d", i)
		}
	}
	return sends
}

// Gone is when the half-open connection is dropped, in silence: it never was in accept(2)'s queue.
func (s SYNACK) Gone() Window { return s.climb().Window }

func (s SYNACK) climb() ending {
	end := ladder{
		wheel:    s.Wheel,
		interval: s.interval,
		limit: func(i int) time.Duration {
			if i > s.Retries {
				return 0
			}
			return forever
		},
	}.climb()
	end.Source = fmt.Sprintf("tcp_synack_retries %d", s.Retries)
	return end
}

func (s SYNACK) interval(i int) time.Duration { return Backoff(InitialRTO, s.RTOMax, i)[i-1] }

// Intervals are the times between successive SYN-ACKs, and from the last of them to the end.
func (s SYNACK) Intervals() []Window {
	return intervals(s.Wheel, s.interval, s.Retries+1, "SYN-ACK retransmission")
}
