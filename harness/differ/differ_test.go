package differ_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/differ"
	"github.com/halfopen/halfopen/harness/report"
)

// The rule for two kernels is tested where it is shown, in package matrix; here is what only the
// comparison uses.

func outcome(verdict report.Verdict, pairs ...any) differ.Outcome {
	o := differ.Outcome{Verdict: verdict, Observations: map[string]report.Value{}}
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i].(string)
		quantity, _ := report.Lookup(name)
		o.Observations[name] = report.Value{Value: pairs[i+1], Unit: quantity.Unit}
	}
	return o
}

func detected(seconds ...float64) []differ.Outcome {
	var all []differ.Outcome
	for _, s := range seconds {
		all = append(all, outcome(report.Pass, "detected_after", s))
	}
	return all
}

func TestTheSameGuestMayNotMoveAtAll(t *testing.T) {
	g := NewWithT(t)
	var same differ.Rule
	g.Expect(same.Differences(detected(7923.1), detected(7923.1))).To(BeEmpty())
	g.Expect(same.Differences(detected(7923.1), detected(7923.100002))).To(Equal([]string{"detected_after"}))
}

func TestAWindowIsLearnedFromSeveralRuns(t *testing.T) {
	g := NewWithT(t)
	learned := differ.WallClock(5, 250)
	g.Expect(learned.Differences(detected(7.1, 7.2, 7.3, 7.15, 7.25), detected(7.49))).To(BeEmpty(), "as far outside as they are apart")
	g.Expect(learned.Differences(detected(7.1, 7.2, 7.3, 7.15, 7.25), detected(7.51))).To(Equal([]string{"detected_after"}))
	g.Expect(learned.Differences(detected(7.1, 7.2, 7.3, 7.15, 7.25), detected(6.91))).To(BeEmpty(), "on either side")
	g.Expect(learned.Differences(detected(1, 1, 1, 1, 1), detected(1.15))).To(BeEmpty(), "a loaded machine's slack at least")
	g.Expect(learned.Differences(detected(1, 1, 1, 1, 1), detected(1.16))).To(Equal([]string{"detected_after"}))
}

func TestOneRunOnTheWallClockMayBeOffByATimersLateness(t *testing.T) {
	g := NewWithT(t)
	single := differ.WallClock(1, 250)
	g.Expect(single.Differences(detected(7.1), detected(7.5))).To(BeEmpty(), "a bucket of 256 ms, a jiffy and 150 ms")
	g.Expect(single.Differences(detected(7.1), detected(7.52))).To(Equal([]string{"detected_after"}))
	g.Expect(differ.WallClock(5, 250).Differences(detected(7.1), detected(7.5))).To(Equal([]string{"detected_after"}))
}

func TestSeveralRunsDidWhateverOneOfThemDid(t *testing.T) {
	g := NewWithT(t)
	var rule differ.Rule
	runs := func(all ...differ.Outcome) []differ.Outcome { return all }
	told := func(errno string, probes int) differ.Outcome {
		return outcome(report.Pass, "errno", errno, "probes", probes)
	}
	old := runs(told("EPIPE", 2), told("ECONNRESET", 4))
	g.Expect(rule.Differences(old, runs(told("EPIPE", 3)))).To(BeEmpty())
	g.Expect(rule.Differences(old, runs(told("ETIMEDOUT", 5)))).To(Equal([]string{"errno", "probes"}))
	g.Expect(rule.Differences(old, runs(told("ETIMEDOUT", 5), told("EPIPE", 4)))).To(BeEmpty(), "one of the new runs did it")

	g.Expect(rule.Differences(runs(outcome(report.Pass), outcome(report.Fail)), runs(outcome(report.Fail)))).To(BeEmpty())
	g.Expect(rule.Differences(runs(outcome(report.Pass), outcome(report.Unsupported)), runs(outcome(report.Fail)))).To(Equal([]string{differ.Verdict}))
}

func TestWhatATimeWasJudgedByNeverCounts(t *testing.T) {
	g := NewWithT(t)
	var rule differ.Rule
	g.Expect(rule.Differences(
		[]differ.Outcome{outcome(report.Pass, "window_floor", 127.0, "window_ceiling", 131.0)},
		[]differ.Outcome{outcome(report.Pass, "window_floor", 131.0)},
	)).To(BeEmpty())
}
