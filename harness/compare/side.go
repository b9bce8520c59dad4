package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/halfopen/halfopen/harness/differ"
	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/report"
)

// Side is what one kernel did, in one run or in several.
type Side struct {
	Label string // as people named it
	Runs  []report.Run
}

// NewSide makes a side of runs, which must be of one kernel, under one profile and on one kind of clock.
func NewSide(label string, runs ...report.Run) (Side, error) {
	if len(runs) == 0 {
		return Side{}, fmt.Errorf("%s holds no run", label)
	}
	first := runs[0]
	for _, run := range runs {
		switch {
		case run.Sabotage != "":
			return Side{}, fmt.Errorf("%s was run under the sabotage %s, and says nothing of the kernel", label, run.Sabotage)
		case run.Kernel.Release != first.Kernel.Release:
			return Side{}, fmt.Errorf("%s holds runs of several kernels, %s and %s: name the results of one", label, first.Kernel.Release, run.Kernel.Release)
		case run.Profile != first.Profile:
			return Side{}, fmt.Errorf("%s holds runs under the profiles %s and %s: name those of one", label, first.Profile, run.Profile)
		case run.Clock != first.Clock:
			return Side{}, fmt.Errorf("%s holds runs on the real and on the virtual clock: name those on one", label)
		}
	}
	return Side{Label: label, Runs: runs}, nil
}

func (s Side) kernel() report.Kernel { return s.Runs[0].Kernel }
func (s Side) clock() string         { return s.Runs[0].Clock }
func (s Side) profile() string       { return s.Runs[0].Profile }

// complete tells whether no run was interrupted.
func (s Side) complete() bool {
	return !slices.ContainsFunc(s.Runs, func(r report.Run) bool { return !r.Complete })
}

// version are the numbers of the kernel's release.
func (s Side) version() [2]int {
	v, _ := kernel.ParseRelease(s.kernel().Release)
	return [2]int{int(v[0]), int(v[1])}
}

// key is a claim over a family.
type key struct {
	id     string
	family int
}

// decided are the outcomes of a side that say something of its kernel, and the keys whose outcomes are all
// broken.
func (s Side) decided() (outcomes map[key][]differ.Outcome, broken map[key]string) {
	outcomes, broken = map[key][]differ.Outcome{}, map[key]string{}
	for _, run := range s.Runs {
		for _, result := range run.Claims {
			at := key{result.ID, result.Family}
			if result.Verdict == report.Broken {
				broken[at] = result.Reason
				continue
			}
			outcomes[at] = append(outcomes[at], differ.Outcome{Verdict: result.Verdict, Observations: result.Observations})
		}
	}
	for at := range outcomes {
		delete(broken, at)
	}
	return outcomes, broken
}

// reason is why a claim is not a pass, of the first run that says it.
func (s Side) reason(at key, verdict report.Verdict) string {
	for _, run := range s.Runs {
		for _, result := range run.Claims {
			if result.ID == at.id && result.Family == at.family && result.Verdict == verdict {
				return result.Reason
			}
		}
	}
	return ""
}

// names are how the sides are called in sentences: 6.1 and 6.12, or the whole releases where those numbers
// are the same, or the labels where the releases are.
func names(before, after Side) (string, string) {
	a, b := before.version(), after.version()
	switch {
	case a != b:
		return fmt.Sprintf("%d.%d", a[0], a[1]), fmt.Sprintf("%d.%d", b[0], b[1])
	case before.kernel().Release != after.kernel().Release:
		return shortRelease(before.kernel().Release), shortRelease(after.kernel().Release)
	}
	return "OLD", "NEW"
}

func shortRelease(release string) string {
	return strings.TrimSuffix(strings.TrimSuffix(release, "-amd64"), "-cloud")
}
