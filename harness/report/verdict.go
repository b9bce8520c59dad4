package report

import (
	"fmt"
	"slices"
)

// Verdict is what came out of a spec or a claim.
type Verdict string

const (
	Pass        Verdict = "pass"        // the kernel does what the claim says
	Fail        Verdict = "fail"        // it does something else
	Unsupported Verdict = "unsupported" // it has no such feature, by name
	Broken      Verdict = "broken"      // the stage could not be set or the tool failed; says nothing of the kernel
)

// Verdicts are all verdicts, the worst first: the verdict of a claim is the first that one of its
// specs has. A claim is unsupported only if all its specs are.
func Verdicts() []Verdict { return []Verdict{Fail, Broken, Pass, Unsupported} }

func worst(verdicts []Verdict) Verdict {
	for _, v := range Verdicts() {
		if slices.Contains(verdicts, v) {
			return v
		}
	}
	return Broken
}

// UnmarshalText refuses what is no verdict, so that nothing else crosses the pipe.
func (v *Verdict) UnmarshalText(text []byte) error {
	if !slices.Contains(Verdicts(), Verdict(text)) {
		return fmt.Errorf("%q is no verdict", text)
	}
	*v = Verdict(text)
	return nil
}

// ExitCode is the command's: 1 if the kernel broke a claim, else 2 if a stage was broken, else 0.
func ExitCode(results []Result) int {
	verdicts := make([]Verdict, len(results))
	for i, r := range results {
		verdicts[i] = r.Verdict
	}
	switch {
	case slices.Contains(verdicts, Fail):
		return 1
	case slices.Contains(verdicts, Broken):
		return 2
	}
	return 0
}

// Glyph is the verdict's shape on a page, so that it is told by more than its colour.
func (v Verdict) Glyph() string {
	switch v {
	case Pass:
		return "✓"
	case Fail:
		return "✗"
	case Broken:
		return "!"
	}
	return "∅"
}
