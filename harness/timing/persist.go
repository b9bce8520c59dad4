package timing

import (
	"fmt"
	"time"
)

// Persist is a connection that has data but may not send it, because the peer's window is closed or because
// there is no route: the probe timer runs in the place of the retransmission timer. Times are counted
// from the moment the timer was armed.
type Persist struct {
	RTO, RTOMax time.Duration // RTOMax 0: 120 s
	Retries2    int           // tcp_retries2: here a count of probes, and the ceiling of the backoff
	Backoff     int           // doublings already made, as a peer that answers does not reset them
	Wheel       Wheel
}

// Probes are the windows of the probes that nobody answers. (With a peer that answers they go on
// for ever, RFC 9293 MUST-37, unless Retries2 is 0: then the timer's first expiry gives up, before any
// probe, tcp_probe_timer.)
func (p Persist) Probes() []Window {
	probes := p.climb().at
	for i := range probes {
		probes[i].Source = fmt.Sprintf("window probe %d", i+1)
	}
	return probes
}

// Period is the time between two probes once the backoff has reached its end, with a peer that answers.
func (p Persist) Period() Window {
	return p.Wheel.after(p.interval(p.Retries2+1), "window probe, backoff at tcp_retries2")
}

// Abort is when the connection is given up: one interval after the last of Retries2 probes.
func (p Persist) Abort() Window { return p.climb().Window }

func (p Persist) climb() ending {
	end := ladder{
		wheel:    p.Wheel,
		interval: p.interval,
		limit: func(i int) time.Duration {
			if i > p.Retries2 {
				return 0
			}
			return forever
		},
	}.climb()
	end.Source = fmt.Sprintf("%d window probes, tcp_retries2", p.Retries2)
	return end
}

// interval is tcp_probe0_when: the RTO, at least 200 ms, doubled at each probe up to Retries2 times.
func (p Persist) interval(i int) time.Duration {
	n := max(p.Backoff, min(p.Backoff+i-1, p.Retries2))
	return Backoff(max(p.Wheel.RoundUp(p.RTO), RTOMin), p.RTOMax, n+1)[n]
}
