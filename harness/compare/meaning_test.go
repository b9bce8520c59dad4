package compare

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/report"
)

// Every quantity of the registry has a sentence, whichever way it moves.
func TestEachObservationHasAMeaning(t *testing.T) {
	g := NewWithT(t)
	for _, q := range report.Quantities() {
		moved := Moved{Name: q.Name, Old: "1", New: "2", Bearing: q.Bearing()}
		up, down := meaningOf(q, moved, 1, "6.1", "6.12"), meaningOf(q, moved, -1, "6.1", "6.12")
		if q.Bearing() == report.OnExpectation || q.Bearing() == report.OnJudgement {
			g.Expect(up + down).To(BeEmpty())
			continue
		}
		for _, sentence := range []string{up, down} {
			g.Expect(sentence).To(MatchRegexp(`^[A-Z].*\.$`), q.Name)
			g.Expect(strings.Count(sentence, "%")).To(BeZero(), sentence)
		}
		if q.Unit == report.Seconds && q.Bearing() != report.OnState && q.Bearing() != report.OnSetting {
			g.Expect(up).NotTo(Equal(down), q.Name)
		}
	}
	alone := meaningOf(report.Quantity{}, Moved{Name: "speed", New: "3", Bearing: report.OnState}, 0, "6.1", "6.12")
	g.Expect(alone).To(Equal("6.12 alone shows it, 3 (speed): what it measures did not happen on 6.1."))
}
