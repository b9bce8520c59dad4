package timing_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/timing"
)

func TestResolutionFails(t *testing.T) {
	g := NewWithT(t)
	ideal := timing.Resolution{Solicitations: 3, Interval: s}
	g.Expect(ideal.Failure()).To(Equal(timing.Window{Floor: 3 * s, Ceiling: 3 * s, Source: "address resolution, 3 x 1s"}))

	failure := timing.Resolution{Solicitations: 3, Interval: s, Wheel: hz250}.Failure()
	g.Expect(failure.Floor).To(Equal(3 * s))
	g.Expect(failure.Contains(sec(3.07))).To(BeTrue(), "measured at HZ 250: %v", failure)
}

// Measured on 6.18 at HZ 250, from the write, with the RTO of 204 ms and resolution's default of 3 x 1 s unless
// another interval is given.
func TestAbortUnresolved(t *testing.T) {
	for _, c := range []struct {
		what     string
		retries2 int
		interval float64
		measured float64
	}{
		{"IPv4, carrier lost", 3, 1, 3.08},
		{"IPv6, carrier lost", 3, 1, 4.72},
		{"IPv4, carrier lost", 3, 0.25, 3.09},
		{"IPv6, carrier lost", 3, 0.25, 3.28},
		{"IPv6, carrier lost", 5, 1, 16.9},
		{"IPv4, carrier lost", 15, 1, 928.3},
		{"IPv4, behind a switch", 15, 1, 958.4},
	} {
		g := NewWithT(t)
		r := timing.Retransmission{RTO: 204 * ms, Retries2: c.retries2, TailLossProbe: true, Wheel: hz250}
		window := r.AbortUnresolved(timing.Resolution{Solicitations: 3, Interval: sec(c.interval), Wheel: hz250})
		g.Expect(window.Contains(sec(c.measured))).To(BeTrue(), "%s, tcp_retries2 %d: %v is not in %v", c.what, c.retries2, c.measured, window)
		g.Expect(window.Floor).To(BeNumerically("~", timing.Model(c.retries2, 0), ms))
	}
}

// Measured on 6.12 at HZ 250 with the carrier lost, over IPv4 and IPv6: the user timeout takes the place of the model.
func TestAbortUnresolvedByTheUserTimeout(t *testing.T) {
	for userTimeout, measured := range map[time.Duration][]float64{13 * s: {13.0, 13.2}, 20 * s: {20.0, 20.1}, 60 * s: {60.0, 60.1}} {
		g := NewWithT(t)
		r := timing.Retransmission{RTO: 204 * ms, Retries2: 15, UserTimeout: userTimeout, TailLossProbe: true, Wheel: hz250}
		g.Expect(r.Limit()).To(Equal(userTimeout))
		window := r.AbortUnresolved(timing.Resolution{Solicitations: 3, Interval: s, Wheel: hz250})
		for _, at := range measured {
			g.Expect(window.Contains(sec(at))).To(BeTrue(), "%v is not in %v", at, window)
		}
		g.Expect(window.Floor).To(BeNumerically("~", userTimeout, ms))
	}
}
