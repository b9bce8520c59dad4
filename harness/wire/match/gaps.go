package match

import (
	"fmt"
	"strings"
	"time"

	"github.com/onsi/gomega/types"

	"github.com/halfopen/halfopen/harness/wire"
)

// Window is a range of durations: what a model says a gap may be.
type Window interface {
	Contains(time.Duration) bool
	String() string
}

// Gaps holds if the times between successive segments lie in the windows, one window for each
// gap, and there is no further segment.
func Gaps[W Window](windows ...W) types.GomegaMatcher { return GapsBetween(AnySegment(), windows...) }

// GapsBetween is Gaps for the segments that the predicate describes.
func GapsBetween[W Window](predicate Predicate, windows ...W) types.GomegaMatcher {
	var expected strings.Builder
	fmt.Fprintf(&expected, "%d of: %v, with these gaps", len(windows)+1, predicate)
	for i, w := range windows {
		fmt.Fprintf(&expected, "\n    %d. %v", i+1, w.String())
	}
	return matcher{expected.String(), func(segments []wire.Segment) finding {
		f := finding{holds: true, remarks: map[int]string{}}
		var reasons []string
		found := 0
		var last time.Duration
		for _, s := range segments {
			if !predicate.Matches(s) {
				continue
			}
			gap := s.At - last
			last = s.At
			found++
			i := found - 1 // of the gap before this segment, from 1
			switch {
			case i == 0:
				f.remarks[s.Number] = "first"
			case i > len(windows):
				f.remarks[s.Number] = fmt.Sprintf("gap %d: %v, not expected", i, gap)
			case windows[i-1].Contains(gap):
				f.remarks[s.Number] = fmt.Sprintf("gap %d: %v", i, gap)
			default:
				f.holds = false
				f.remarks[s.Number] = fmt.Sprintf("gap %d: %v, not within %v", i, gap, windows[i-1].String())
				reasons = append(reasons, fmt.Sprintf("gap %d is %v", i, gap))
			}
		}
		if found != len(windows)+1 {
			f.holds = false
			reasons = append(reasons, fmt.Sprintf("there are %d, not %d", found, len(windows)+1))
		}
		f.reason = strings.Join(reasons, " and ")
		if f.holds {
			f.reason = "they do"
		}
		return f
	}}
}
