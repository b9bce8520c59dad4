package machine

import (
	"sync"
	"time"
)

// clock knows the guest's clock by what every exchange tells of it: the answer's stamp is taken after the
// request was sent and before the answer came.
type clock struct {
	mu      sync.Mutex
	since   time.Duration // this machine's time, from which on the samples are
	samples []sample      // the newest last
}

// sample bounds this machine's monotonic time less the guest's, at a moment of this machine's.
type sample struct{ least, most, at time.Duration }

// mostSamples is how many are kept: those of the last exchanges, a spec's worth.
const mostSamples = 64

// drift is by how much the two clocks may diverge: the guest's time stamp counter is measured against its
// HPET for a second, and two clocks of one oscillator differ by that error alone.
const drift = 200e-6

// add takes an exchange. What was asked for before the guest's clock stood still, and is answered after it, was
// stamped after it.
func (c *clock) add(sent, stamped, received time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.samples = append(c.samples, sample{max(sent, c.since) - stamped, received - stamped, received})
	if len(c.samples) > mostSamples {
		c.samples = c.samples[1:]
	}
}

// forget drops all that is known: the guest's clock has stood still until now, or begun again.
func (c *clock) forget(now time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since, c.samples = now, nil
}

// here turns a stamp of the guest's into this machine's time, and tells how wrong it may be, either way.
// A stamp of 0 is none and stays so.
func (c *clock) here(stamp time.Duration) (at, give time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stamp == 0 || len(c.samples) == 0 {
		return stamp, 0
	}
	newest := c.samples[len(c.samples)-1]
	least, most := newest.least, newest.most
	for i := len(c.samples) - 2; i >= 0; i-- {
		s := c.samples[i]
		off := time.Duration(float64(newest.at-s.at) * drift)
		tighterLeast, tighterMost := max(least, s.least-off), min(most, s.most+off)
		if tighterLeast > tighterMost {
			break // older than the drift allows for
		}
		least, most = tighterLeast, tighterMost
	}
	return stamp + (least+most)/2, (most - least) / 2
}
