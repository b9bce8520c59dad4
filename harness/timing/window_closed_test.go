package timing_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/timing"
)

func floors(windows []timing.Window) []time.Duration {
	var list []time.Duration
	for _, w := range windows {
		list = append(list, w.Floor)
	}
	return list
}

func TestProbesOfAPeerThatAnswers(t *testing.T) {
	g := NewWithT(t)
	ideal := timing.Persist{RTO: 200 * ms, Retries2: 2}
	g.Expect(floors(ideal.Intervals(5))).To(Equal([]time.Duration{200 * ms, 400 * ms, 800 * ms, 800 * ms, 800 * ms}))
	ideal.Backoff = 2
	g.Expect(floors(ideal.Intervals(2))).To(Equal([]time.Duration{800 * ms, 800 * ms}), "an answer does not take the backoff back")
	capped := timing.Persist{RTO: 200 * ms, RTOMax: s, Retries2: 15}
	g.Expect(floors(capped.Intervals(5))).To(Equal([]time.Duration{200 * ms, 400 * ms, 800 * ms, s, s}))
	g.Expect(timing.Persist{RTO: 204 * ms, Retries2: 5, Wheel: hz250}.Intervals(1)[0].Floor).To(Equal(200*ms), "a jiffy less, seen from outside")
}

func TestUserTimeoutOfAClosedWindow(t *testing.T) {
	g := NewWithT(t)
	p := timing.Persist{RTO: 204 * ms, Retries2: 15, Wheel: hz250}
	w := p.AbortByUserTimeout(1500 * ms)
	g.Expect(w.Floor).To(Equal(1496 * ms))
	g.Expect(w.Ceiling).To(BeNumerically("<", 1600*ms))
	g.Expect(timing.Persist{RTO: 200 * ms}.AbortByUserTimeout(s).Floor).To(Equal(s))
}

func TestAnOrphanAtAClosedWindow(t *testing.T) {
	g := NewWithT(t)
	o := timing.Orphaned{Persist: timing.Persist{RTO: 200 * ms, Retries2: 15}, Retries: 2}
	g.Expect(o.SilentAbort().Floor).To(Equal(1400*ms), "0.2, 0.4 and 0.8 s")
	o.Retries = 0
	g.Expect(o.SilentAbort().Floor).To(Equal(sec(102.2)), "as 8")

	abort, possible := o.AnsweredAbort()
	g.Expect(possible).To(BeTrue())
	// Ten doublings of 200 ms reach 120 s: the eleventh expiry, 120 s after the tenth, which is at 204.6 s.
	g.Expect(abort.Floor).To(Equal(sec(324.6)))
	o.Retries2 = 3
	_, possible = o.AnsweredAbort()
	g.Expect(possible).To(BeFalse(), "1.6 s is as far as the backoff goes")
	o.Retries2, o.RTOMax = 5, s
	o.Retries = 4
	abort, _ = o.AnsweredAbort()
	g.Expect(abort.Floor).To(Equal(3400*ms), "four doublings, one interval of 1 s later")
	o.Retries = 0
	abort, possible = o.AnsweredAbort()
	g.Expect(possible).To(BeTrue())
	g.Expect(abort.Floor).To(Equal(2400*ms), "0.2, 0.4, 0.8 and 1 s: three doublings reach 1 s")
}

func TestAWindowTakenBack(t *testing.T) {
	g := NewWithT(t)
	ideal := timing.Shrunk{RTO: 200 * ms}
	g.Expect(floors(ideal.Intervals(4))).To(Equal([]time.Duration{200 * ms, 400 * ms, 800 * ms, 1600 * ms}))
	// After T1: 0.4, 1.2 ... 204.4 s, and 240 s are passed by the next, 120 s later.
	g.Expect(ideal.AbortAfterFirst().Floor).To(Equal(sec(324.4)))
	ideal.RTOMax = s
	g.Expect(ideal.AbortAfterFirst().Floor).To(Equal(2200 * ms))
	ideal.UserTimeout = 500 * ms
	g.Expect(ideal.AbortAfterFirst().Floor).To(Equal(500 * ms))

	real := timing.Shrunk{RTO: 204 * ms, UserTimeout: 500 * ms, Wheel: hz250}
	g.Expect(real.AbortAfterFirst().Floor).To(Equal(499 * ms))
	g.Expect(real.AbortAfterFirst().Ceiling).To(BeNumerically("<", 600*ms))
	real.InJiffies = true
	g.Expect(real.AbortAfterFirst().Floor).To(Equal(1999*ms), "500 jiffies of 4 ms")
	g.Expect(real.AbortAfterFirst().Ceiling).To(BeNumerically("<", 2100*ms))
}
