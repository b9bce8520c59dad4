package report_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/report"
)

func TestAHeadlineIsTheFirstTimeAndTheFirstName(t *testing.T) {
	for name, tc := range map[string]struct {
		specs [][]any
		want  string
		names []string
	}{
		"time and errno":          {[][]any{{"retransmissions", 16, "errno", "ETIMEDOUT", "aborted_after", 938.1}}, "938.1 s ETIMEDOUT", []string{"aborted_after", "errno"}},
		"the most telling time":   {[][]any{{"rto", 204 * time.Millisecond, "detected_after", time.Second}}, "1.00 s", []string{"detected_after"}},
		"a count without a time":  {[][]any{{"probes", 3, "errno", "EPIPE"}}, "3 probes EPIPE", []string{"probes", "errno"}},
		"a count of one":          {[][]any{{"probes", 1}}, "1 probe", []string{"probes"}},
		"several cases":           {[][]any{{"detected_after", 1.6, "errno", "EPIPE"}, {"detected_after", 1.63, "errno", "ECONNRESET"}}, "1.60 to 1.63 s EPIPE or ECONNRESET", []string{"detected_after", "errno"}},
		"what is not said anyway": {[][]any{{"window_floor", 1.0, "timeouts", 3}}, "", nil},
		"nothing":                 {[][]any{{}}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var specs []report.SpecResult
			for _, pairs := range tc.specs {
				var spec report.SpecResult
				for i := 0; i < len(pairs); i += 2 {
					spec.Observations = append(spec.Observations, observe(t, pairs[i].(string), pairs[i+1]))
				}
				specs = append(specs, spec)
			}
			text, names := report.Headline(specs)
			g.Expect(text).To(Equal(tc.want))
			g.Expect(names).To(Equal(tc.names))
		})
	}
}

func TestAValueIsSaidWithItsUnit(t *testing.T) {
	g := NewWithT(t)
	g.Expect(report.Value{Value: 938.1, Unit: report.Seconds}.String()).To(Equal("938.1 s"))
	g.Expect(report.Value{Value: 3.0, Unit: report.Count}.String()).To(Equal("3"), "as JSON gives it back")
	g.Expect(report.Value{Value: 161104, Unit: report.Bytes}.String()).To(Equal("161104 B"))
	g.Expect(report.Value{Value: "EPIPE"}.String()).To(Equal("EPIPE"))
}

// A spec keeps the beginning and the end of its packets; a failure shows the end.
func TestPacketsAreShortenedInTheMiddle(t *testing.T) {
	g := NewWithT(t)
	lines := func(n int) []string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprint("line ", i))
		}
		return all
	}
	g.Expect(report.Ladder(lines(60))).To(Equal(lines(60)))
	short := report.Ladder(lines(400))
	g.Expect(short).To(HaveLen(60))
	g.Expect(short[:16]).To(Equal(lines(16)))
	g.Expect(short[16]).To(Equal("... 341 lines left out, which the capture has ..."))
	g.Expect(short[17:]).To(Equal(lines(400)[357:]))
	g.Expect(report.Tail(short)).To(Equal(lines(400)[376:]))
	g.Expect(report.Tail(lines(3))).To(Equal(lines(3)))
	g.Expect(report.Tail(nil)).To(BeEmpty())
}
