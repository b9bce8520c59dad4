// Package differ has the rule by which two kernels, or one kernel twice, are said to have done something
// else about a claim. The matrix and the comparison share it.
//
// # The rule
//
// Two verdicts are the same or not. Under the same verdict names, counts and bytes must be the same,
// though of two failures only what both observed counts. A time may be off by the Rule's margin. What a
// time was judged by (window_floor, window_ceiling) is the model's and not the kernel's: it never counts.
//
// Either side may be several runs. Then it did whatever it did in one of them: names and verdicts are
// what was seen, numbers lie between the lowest and the highest, and the sides differ in what no run of
// one did within what the other did.
//
// Times are seconds.
package differ

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/timing"
)

const (
	roundingShare = 0.02

	// selfNoise, in seconds, is how far a kernel's times are from its own with another seed, because what
	// the guest computes takes time of its clock and moves timers to other jiffies: 44 ms at the most in 88
	// specs of Debian's 6.12, 41 ms in five pairs of runs of the stories open, keepalive and
	// retransmission. The same specs among others, with the same seed, are off by up to 0.4 %: their timers
	// begin at another place of the timer wheel.
	selfNoise = 0.045

	// wallSlack is what a loaded machine may add to a time on the wall clock, as in stage.RealClockSlack.
	wallSlack = 150 * time.Millisecond

	// grain: what is subtracted was rounded to microseconds.
	grain = 1e-6
)

// LearnedFrom is how many runs on the wall clock are enough to learn from how far its times vary. Of 11 runs
// of the stories open and keepalive on one machine, drawn 2000 times, 0.4 % were said to differ from five
// others, 1.3 % from four and 18 % from two by the same margin.
const LearnedFrom = 5

// coarsestHZ stands for an HZ that could not be found out; no kernel for servers has less.
const coarsestHZ = 100

// Verdict is what Differences calls another verdict.
const Verdict = "verdict"

// Rule says how far two times may be apart. The zero Rule is that of a guest that did the same twice, on
// the virtual clock: not at all.
type Rule struct {
	margin func(longest, spread float64) float64
}

// Kernels is the rule of two guests on the virtual clock, of kernels with these HZ: 2 % of the longer time,
// or one jiffy of the coarser kernel (kernels round timers up to their own) and selfNoise, whichever is
// longer.
func Kernels(hz ...int) Rule {
	shortest := Jiffy(hz...) + selfNoise
	return Rule{func(longest, _ float64) float64 { return max(roundingShare*longest, shortest) }}
}

// WallClock is the rule where a side was on the wall clock, learned being how many runs the old side has.
// From LearnedFrom on a time may be as far outside of theirs as they are apart, and as far at least as Kernels
// lets it or the slack of a loaded machine. With fewer it may also be as late as one armed timer can be
// (timing.Wheel): none of those 11 runs was said to differ from any single other.
func WallClock(learned int, hz ...int) Rule {
	slack := Jiffy(hz...) + wallSlack.Seconds()
	return Rule{func(longest, spread float64) float64 {
		margin := max(roundingShare*longest, slack, spread)
		if learned >= LearnedFrom {
			return margin
		}
		for _, each := range hz {
			late := timing.Wheel{HZ: cmp.Or(each, coarsestHZ)}.Lateness(time.Duration(longest * float64(time.Second)))
			margin = max(margin, (late + wallSlack).Seconds())
		}
		return margin
	}}
}

// Outcome is what one run has on a claim over a family.
type Outcome struct {
	Verdict      report.Verdict
	Observations map[string]report.Value
}

// Differences lists in what two sides, each of at least one run, are not the same: Verdict, or names of
// observations in alphabetical order. Under different verdicts different things were observed: the verdict
// stands for them. Broken outcomes are the caller's to leave out: they say nothing of the kernel.
func (r Rule) Differences(before, after []Outcome) []string {
	var common []report.Verdict
	for _, b := range before {
		if slices.ContainsFunc(after, func(a Outcome) bool { return a.Verdict == b.Verdict }) {
			common = append(common, b.Verdict)
		}
	}
	if len(common) == 0 {
		return []string{Verdict}
	}
	uncommon := func(o Outcome) bool { return !slices.Contains(common, o.Verdict) }
	before, after = slices.DeleteFunc(slices.Clone(before), uncommon), slices.DeleteFunc(slices.Clone(after), uncommon)

	names := map[string]bool{}
	for _, outcome := range slices.Concat(before, after) {
		for name := range outcome.Observations {
			names[name] = true
		}
	}
	moved := []string{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if judgedBy(name) {
			continue
		}
		had, has := Values(before, name), Values(after, name)
		if len(had) == 0 || len(has) == 0 {
			// A spec that fails stops there; what it would have observed later says nothing.
			if !slices.Contains(common, report.Fail) {
				moved = append(moved, name)
			}
			continue
		}
		if !r.Same(had, has) {
			moved = append(moved, name)
		}
	}
	return moved
}

// Values are what outcomes have of an observation, those that have it.
func Values(outcomes []Outcome, name string) []report.Value {
	var values []report.Value
	for _, o := range outcomes {
		if value, there := o.Observations[name]; there {
			values = append(values, value)
		}
	}
	return values
}

// judgedBy tells of an observation, CASE.NAME or NAME, that it is what a time was judged by.
func judgedBy(name string) bool {
	quantity, _ := report.Lookup(name[strings.LastIndexByte(name, '.')+1:])
	return quantity.Bearing() == report.OnJudgement
}

// Same tells whether a value of one side is what the other side's are.
func (r Rule) Same(before, after []report.Value) bool {
	var low, high float64
	numbers, unit := true, before[0].Unit
	for i, value := range before {
		x, isNumber := number(value.Value)
		if numbers = numbers && isNumber && value.Unit == unit; i == 0 {
			low, high = x, x
		}
		low, high = min(low, x), max(high, x)
	}
	return slices.ContainsFunc(after, func(value report.Value) bool {
		y, isNumber := number(value.Value)
		switch {
		case !numbers || !isNumber:
			return slices.Contains(before, value)
		case value.Unit != unit:
			return false
		case unit != report.Seconds:
			return low <= y && y <= high
		}
		margin := grain
		if r.margin != nil {
			margin += r.margin(max(math.Abs(low), math.Abs(high), math.Abs(y)), high-low)
		}
		return low-margin <= y && y <= high+margin
	})
}

// wheelShare is how late a timer may fire, of what it was armed for: the buckets of a level are an eighth as
// long as the shortest time on it (timing.Wheel). Where it falls depends on when it was armed, so that two
// seeds of one kernel gave 111 and 115 s for an orphan's end.
const wheelShare = 0.125

// Late tells whether late timers alone may have moved a time, of kernels with these HZ: it is no farther than
// an eighth of the longer from where it was, a jiffy and selfNoise.
func Late(before, after []report.Value, hz ...int) bool {
	late := Rule{func(longest, _ float64) float64 { return wheelShare*longest + Jiffy(hz...) + selfNoise }}
	return len(before) > 0 && len(after) > 0 && before[0].Unit == report.Seconds && late.Same(before, after)
}

// number reads a value that was observed (int, float64) or came out of JSON (float64).
func number(value any) (float64, bool) {
	switch v := value.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// Jiffy is one of the coarsest of some kernels, in seconds.
func Jiffy(hz ...int) float64 {
	coarse := math.MaxInt
	for _, each := range hz {
		coarse = min(coarse, cmp.Or(each, coarsestHZ))
	}
	return 1 / float64(coarse)
}
