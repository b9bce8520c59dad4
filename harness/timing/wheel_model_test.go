package timing_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/timing"
)

// wheelModel is the enqueue rule of kernel/time/timer.c in jiffies, written down a second time and
// differently: the absolute jiffy at which a timer fires that is armed at now for delta.
func wheelModel(now, delta int64) int64 {
	level, start := 0, int64(63)
	for level < 8 && delta >= start {
		level++
		start *= 8
	}
	bucket := int64(1) << (3 * level)
	return ((now+delta)/bucket + 1) * bucket
}

// For every phase of the wheel that a connection may start in, the abort must lie within the window.
func TestEveryPhaseOfTheWheelLiesInTheWindow(t *testing.T) {
	for _, hz := range []int64{100, 250, 300, 1000} {
		wheel := timing.Wheel{HZ: int(hz)}
		at := func(jiffies int64) time.Duration { return time.Duration(jiffies * int64(time.Second) / hz) }
		for _, retries2 := range []int{0, 1, 2, 3, 4, 5, 8, 15} {
			for _, rtoMax := range []time.Duration{120 * s, s} {
				t.Run(fmt.Sprintf("HZ %d, tcp_retries2 %d, rto_max %v", hz, retries2, rtoMax), func(t *testing.T) {
					r := timing.Retransmission{RTO: timing.FirstRTO(100*time.Microsecond, 0, 0, wheel), RTOMax: rtoMax, Retries2: retries2, Wheel: wheel}
					window, limit := r.AbortAfterFirst(), timing.Model(retries2, rtoMax)
					least, most := r.RetransmitsRange()
					rto, capped := int64(r.RTO)*hz/int64(time.Second), int64(rtoMax)*hz/int64(time.Second)
					if at(rto) < r.RTO {
						rto++
					}
					earliest, latest := time.Hour, time.Duration(0)
					for phase := range int64(1 << 15) {
						now, n, interval := phase, 0, rto
						for at(now-phase) < limit || n == 0 {
							interval = min(2*interval, capped)
							now = wheelModel(now, interval)
							n++
						}
						abort := at(now - phase)
						earliest, latest = min(earliest, abort), max(latest, abort)
						if !window.Contains(abort) || n < least || n > most {
							t.Fatalf("phase %d: abort at %v after %d retransmissions, window %v, %d to %d", phase, abort, n, window, least, most)
						}
					}
					g := NewWithT(t)
					g.Expect(latest).To(BeNumerically(">=", earliest))
					t.Logf("reached %v to %v of %v", earliest, latest, window)
				})
			}
		}
	}
}
