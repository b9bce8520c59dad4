package timing_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/timing"
)

func TestTracked(t *testing.T) {
	g := NewWithT(t)
	entry := timing.Tracked{Timeout: 2 * s, Wheel: hz250}
	g.Expect(entry.Forgotten().Floor).To(Equal(1996 * ms))
	g.Expect(entry.Forgotten().Ceiling).To(Equal(2004 * ms))
	// Five days are no less exact: no timer is late.
	days := timing.Tracked{Timeout: 432000 * s, Wheel: hz250}.Forgotten()
	g.Expect(days.Ceiling - days.Floor).To(Equal(8 * ms))

	// The kernel shows whole seconds, rounded down: right after the segment 2, and a moment later 1.
	for _, c := range []struct {
		elapsed, shown float64
		can            bool
	}{
		{0, 2, true}, {0, 1, true}, {0, 0, false}, {0, 3, false},
		{0.5, 1, true}, {0.5, 2, false}, {0.5, 0, false},
		{1, 1, true}, {1, 0, true}, {1.5, 0, true}, {1.5, 1, false},
	} {
		g.Expect(entry.Left(sec(c.elapsed)).Contains(sec(c.shown))).To(Equal(c.can), "%v s after the segment, %v s shown", c.elapsed, c.shown)
	}
}
