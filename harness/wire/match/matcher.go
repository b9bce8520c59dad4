package match

import (
	"fmt"
	"strings"

	"github.com/onsi/gomega/types"

	"github.com/halfopen/halfopen/harness/wire"
)

// finding is what a matcher found: whether it holds, why (not), and the segments it is about.
type finding struct {
	holds   bool
	reason  string
	remarks map[int]string // by Segment.Number
}

// matcher keeps nothing of what it was shown, so one value can be used again.
type matcher struct {
	expected string
	judge    func([]wire.Segment) finding
}

func (m matcher) Match(actual any) (bool, error) {
	segments, err := segmentsOf(actual)
	if err != nil {
		return false, err
	}
	return m.judge(segments).holds, nil
}

func (m matcher) FailureMessage(actual any) string {
	return m.message("Expected the wire to show", actual)
}

func (m matcher) NegatedFailureMessage(actual any) string {
	return m.message("Expected the wire not to show", actual)
}

func (m matcher) message(opening string, actual any) string {
	segments, err := segmentsOf(actual)
	if err != nil {
		return err.Error()
	}
	f := m.judge(segments)
	ladder := wire.Ladder(segments, f.remarks)
	if drawn, ok := actual.(interface {
		Ladder(remarks map[int]string) string
	}); ok {
		ladder = drawn.Ladder(f.remarks)
	}
	return fmt.Sprintf("%s %s,\nbut %s:\n%s", opening, m.expected, f.reason, indent(ladder))
}

func segmentsOf(actual any) ([]wire.Segment, error) {
	switch a := actual.(type) {
	case []wire.Segment:
		return a, nil
	case interface{ Segments() []wire.Segment }:
		return a.Segments(), nil
	default:
		return nil, fmt.Errorf("a matcher of package match needs []wire.Segment or something with Segments(), not %T", actual)
	}
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}

// list writes predicates one to a line, numbered.
func list(predicates []Predicate) string {
	var out strings.Builder
	for i, p := range predicates {
		fmt.Fprintf(&out, "\n    %d. %v", i+1, p)
	}
	return out.String()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ShowInOrder holds if each predicate finds a segment after the one before it. Others may lie
// between.
func ShowInOrder(predicates ...Predicate) types.GomegaMatcher {
	return matcher{"in this order" + list(predicates), func(segments []wire.Segment) finding {
		f := finding{remarks: map[int]string{}}
		next := 0
		for _, s := range segments {
			if next < len(predicates) && predicates[next].Matches(s) {
				f.remarks[s.Number] = fmt.Sprintf("%d.", next+1)
				next++
			}
		}
		if next == len(predicates) {
			f.holds, f.reason = true, "all were found"
			return f
		}
		f.reason = fmt.Sprintf("%d. (%v) was not found", next+1, predicates[next])
		if next > 0 {
			f.reason += fmt.Sprintf(" after %d.", next)
		}
		return f
	}}
}

// ShowExactly holds if the segments are these, in this order, and there is no other.
func ShowExactly(predicates ...Predicate) types.GomegaMatcher {
	return matcher{"exactly this, and nothing else" + list(predicates), func(segments []wire.Segment) finding {
		for i, s := range segments {
			if i == len(predicates) {
				f := finding{reason: fmt.Sprintf("there are %s, not %d", count(len(segments), "segment"), len(predicates)), remarks: map[int]string{}}
				for _, extra := range segments[i:] {
					f.remarks[extra.Number] = "not expected"
				}
				return f
			}
			if !predicates[i].Matches(s) {
				return finding{
					reason:  fmt.Sprintf("segment %d is not %d. (%v)", i+1, i+1, predicates[i]),
					remarks: map[int]string{s.Number: fmt.Sprintf("expected %d. (%v)", i+1, predicates[i])},
				}
			}
		}
		if len(segments) < len(predicates) {
			return finding{reason: fmt.Sprintf("%d. (%v) and what should follow is missing", len(segments)+1, predicates[len(segments)])}
		}
		return finding{holds: true, reason: "that is what there is"}
	}}
}

// ShowOnly holds if each segment is what one of the predicates describes. It also holds where there
// is no segment.
func ShowOnly(predicates ...Predicate) types.GomegaMatcher {
	allowed := Either(predicates...)
	return matcher{"nothing but: " + allowed.String(), func(segments []wire.Segment) finding {
		f := finding{remarks: map[int]string{}}
		for _, s := range segments {
			if !allowed.Matches(s) {
				f.remarks[s.Number] = "not expected"
			}
		}
		f.holds = len(f.remarks) == 0
		f.reason = fmt.Sprintf("%d of %s are something else", len(f.remarks), count(len(segments), "segment"))
		return f
	}}
}

// ShowNone holds if the predicate describes no segment.
func ShowNone(predicate Predicate) types.GomegaMatcher {
	return matcher{"none of: " + predicate.String(), func(segments []wire.Segment) finding {
		f := times(segments, predicate)
		found := len(f.remarks)
		f.holds = found == 0
		return f
	}}
}

// ShowTimes holds if the predicate describes exactly n segments.
func ShowTimes(n int, predicate Predicate) types.GomegaMatcher {
	return matcher{fmt.Sprintf("exactly %d of: %v", n, predicate), func(segments []wire.Segment) finding {
		f := times(segments, predicate)
		f.holds = len(f.remarks) == n
		return f
	}}
}

// times marks the segments the predicate describes.
func times(segments []wire.Segment, predicate Predicate) finding {
	f := finding{remarks: map[int]string{}}
	for _, s := range segments {
		if predicate.Matches(s) {
			f.remarks[s.Number] = fmt.Sprintf("%d", len(f.remarks)+1)
		}
	}
	f.reason = fmt.Sprintf("%d of %s are", len(f.remarks), count(len(segments), "segment"))
	return f
}
