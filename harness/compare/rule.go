package compare

import (
	"fmt"

	"github.com/halfopen/halfopen/harness/buildinfo"
	"github.com/halfopen/halfopen/harness/differ"
	"github.com/halfopen/halfopen/harness/report"
)

// yardstick is what two sides are measured with.
type yardstick struct {
	rule      differ.Rule
	sentence  string   // what counts
	cautions  []string // what the reader must know
	namesOnly bool     // times and counts are not comparable
}

const virtual = "virtual"

// yardstickOf picks the rule for two sides.
func yardstickOf(before, after Side) yardstick {
	hz := []int{before.kernel().HZ, after.kernel().HZ}
	var y yardstick
	switch {
	case before.profile() != after.profile():
		y.rule, y.namesOnly = differ.Kernels(hz...), true
		y.sentence = "verdicts and names (errno, state, timer) are compared and nothing else"
		y.cautions = append(y.cautions, fmt.Sprintf("OLD was run under the profile %s and NEW under %s: every time and count follows from the timeouts, so none is compared", before.profile(), after.profile()))
	case sameGuest(before, after):
		y.sentence = "the same kernel, seed and program on the virtual clock: whatever moved counts"
	case before.clock() == virtual && after.clock() == virtual:
		y.rule = differ.Kernels(hz...)
		y.sentence = fmt.Sprintf("virtual clock: a time counts as moved beyond 2 %% and beyond %.0f ms", 1000*(differ.Jiffy(hz...)+0.045))
	default:
		learned := 0
		if before.clock() != virtual {
			learned = len(before.Runs)
		}
		y.rule = differ.WallClock(learned, hz...)
		y.sentence, y.cautions = wallClock(before, after, learned)
	}
	if hz[0] != hz[1] {
		y.cautions = append(y.cautions, fmt.Sprintf("HZ is %d and %d: the kernels round their timers otherwise", hz[0], hz[1]))
	}
	for _, side := range []struct {
		name string
		Side
	}{{"OLD", before}, {"NEW", after}} {
		if !side.complete() {
			y.cautions = append(y.cautions, side.name+" was interrupted: what it did not get to is not compared")
		}
	}
	return y
}

// wallClock says what counts where a side was on the wall clock, and how well that is known.
func wallClock(before, after Side, learned int) (sentence string, cautions []string) {
	switch {
	case learned >= differ.LearnedFrom:
		return fmt.Sprintf("wall clock: a time counts as moved beyond the window of OLD's %d runs, widened by as much as they are apart, 2 %% and 150 ms at least", learned), nil
	case before.clock() == virtual || after.clock() == virtual:
		cautions = append(cautions, fmt.Sprintf("OLD was on the %s clock and NEW on the %s one", before.clock(), after.clock()))
	case learned == 1:
		cautions = append(cautions, "OLD is a single run on the wall clock: how far its times vary by themselves is not known")
	default:
		cautions = append(cautions, fmt.Sprintf("OLD is %d runs on the wall clock, too few to learn how far its times vary", learned))
	}
	cautions[0] += fmt.Sprintf("; name %d runs of OLD or more for a narrower window", differ.LearnedFrom)
	return "wall clock: a time counts as moved beyond what a late timer and a loaded machine explain", cautions
}

// sameGuest tells whether both sides are the same program in the same guest: then they must agree to the
// microsecond. Which specs run beside each other moves times, so it must be the same claims as well.
func sameGuest(before, after Side) bool {
	if len(before.Runs) != 1 || len(after.Runs) != 1 {
		return false
	}
	a, b := before.Runs[0], after.Runs[0]
	if a.Clock != virtual || b.Clock != virtual || a.Seed != b.Seed || a.Family != b.Family || len(a.Claims) != len(b.Claims) ||
		a.Kernel.Release != b.Kernel.Release || a.Kernel.Version != b.Kernel.Version ||
		a.Halfopen != b.Halfopen || !buildinfo.Clean(a.Halfopen) {
		return false
	}
	for i := range a.Claims {
		if a.Claims[i].ID != b.Claims[i].ID || a.Claims[i].Family != b.Claims[i].Family {
			return false
		}
	}
	return true
}

// comparable leaves of outcomes what the yardstick can measure.
func (y yardstick) comparable(outcomes []differ.Outcome) []differ.Outcome {
	if !y.namesOnly {
		return outcomes
	}
	var kept []differ.Outcome
	for _, o := range outcomes {
		names := map[string]report.Value{}
		for name, value := range o.Observations {
			// The mechanism says its timeouts.
			if _, base := caseOf(name); value.Unit == report.Name && base != "mechanism" {
				names[name] = value
			}
		}
		kept = append(kept, differ.Outcome{Verdict: o.Verdict, Observations: names})
	}
	return kept
}
