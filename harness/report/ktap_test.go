package report_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/report"
)

// ktapTest is a result line with the tests that stand above it, one level deeper.
type ktapTest struct {
	ok        bool
	name      string
	directive string
	inner     []ktapTest
}

var (
	ktapPlan   = regexp.MustCompile(`^1\.\.(\d+)$`)
	ktapResult = regexp.MustCompile(`^(not ok|ok) (\d+) ([^#]*?)(?: # (.*))?$`)
)

// readKTAP reads a level of KTAP and holds it to the format: the version, the plan, as many results as planned,
// numbered from 1, and every other line a diagnostic.
func readKTAP(lines *[]string, level int) ([]ktapTest, error) {
	indent := strings.Repeat("  ", level)
	next := func() (string, bool) {
		for len(*lines) > 0 {
			line, mine := strings.CutPrefix((*lines)[0], indent)
			if !mine {
				return (*lines)[0], false
			}
			if !strings.HasPrefix(line, "# ") {
				return line, true
			}
			*lines = (*lines)[1:]
		}
		return "", false
	}
	if line, _ := next(); line != "KTAP version 1" {
		return nil, fmt.Errorf("%q is no version line", line)
	}
	*lines = (*lines)[1:]
	line, _ := next()
	plan := ktapPlan.FindStringSubmatch(line)
	if plan == nil {
		return nil, fmt.Errorf("%q is no plan", line)
	}
	*lines = (*lines)[1:]
	var tests []ktapTest
	var inner []ktapTest
	for fmt.Sprint(len(tests)) != plan[1] {
		line, mine := next()
		if !mine {
			return nil, fmt.Errorf("%s tests were planned and %d are there before %q", plan[1], len(tests), line)
		}
		if strings.HasPrefix(line, "  ") {
			var err error
			if inner, err = readKTAP(lines, level+1); err != nil {
				return nil, err
			}
			continue
		}
		result := ktapResult.FindStringSubmatch(line)
		if result == nil || result[2] != fmt.Sprint(len(tests)+1) {
			return nil, fmt.Errorf("%q is no result of test %d", line, len(tests)+1)
		}
		tests = append(tests, ktapTest{result[1] == "ok", result[3], result[4], inner})
		inner = nil
		*lines = (*lines)[1:]
	}
	return tests, nil
}

// told is what KTAP is written of some specs, of which so many are decided.
func told(t *testing.T, decided int) string {
	t.Helper()
	c := catalogue(t)
	specs := someSpecs(t)
	var plan []report.Planned
	for _, result := range report.Results(c, specs) {
		proved, _ := c.ByID(result.ID)
		n := 0
		for _, spec := range specs {
			if spec.Claim == result.ID && spec.Family == result.Family {
				n++
			}
		}
		plan = append(plan, report.Planned{Claim: proved, Family: result.Family, Specs: n})
	}
	var out strings.Builder
	k := report.NewKTAP(&out)
	k.Folder = "out"
	k.Begin("Linux 6.1\nunder a sabotage", plan)
	for _, spec := range specs[:decided] {
		k.Start(spec.Title())
		k.Done(spec)
	}
	k.Finish(report.Closing{Folder: "out", Seconds: 2})
	k.Remark("the guest's kernel complained: oops")
	return out.String()
}

func TestKTAPKeepsItsFormat(t *testing.T) {
	g := NewWithT(t)
	text := told(t, len(someSpecs(t)))
	lines := strings.Split(strings.TrimSpace(text), "\n")
	tests, err := readKTAP(&lines, 0)
	g.Expect(err).NotTo(HaveOccurred())
	for _, line := range lines {
		g.Expect(line).To(HavePrefix("# "))
	}
	g.Expect(tests).To(Equal([]ktapTest{
		{false, "host-crash", "", []ktapTest{{true, "host-crash/reboot-rst IPv4", "", nil}, {false, "host-crash/reboot-rst IPv6", "", nil}}},
		{false, "keepalive", "", []ktapTest{{false, "keepalive/off-by-default IPv6", "ERROR the lab could not be built: no nftables", nil}}},
		{true, "retransmission", "SKIP all of it is unsupported", []ktapTest{
			{true, "retransmission/rto-max-sysctl-ladder IPv4", "SKIP this kernel has no tcp_rto_max_ms (since 6.15)", nil},
		}},
	}))
	g.Expect(text).To(HavePrefix("KTAP version 1\n1..3\n# Linux 6.1\n# under a sabotage\n"))
	g.Expect(text).To(ContainSubstring("\n  # host-crash/reboot-rst IPv4: detected after 1.60 to 1.63 s, ECONNRESET"))
	g.Expect(text).To(ContainSubstring("\n  # broken: the lab could not be built: no nftables\n"))
	g.Expect(text).To(ContainSubstring("\n  # capture  out/c.pcapng\n"))
	g.Expect(text).To(HaveSuffix("# the guest's kernel complained: oops\n"))
}

func TestKTAPOfAnInterruptedRunIsWhole(t *testing.T) {
	for decided := range someSpecs(t) {
		g := NewWithT(t)
		lines := strings.Split(strings.TrimSpace(told(t, decided)), "\n")
		tests, err := readKTAP(&lines, 0)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(tests).To(HaveLen(3))
		g.Expect(tests[2].ok).To(BeFalse())
		g.Expect(tests[2].inner[0].directive).To(Equal("ERROR not decided"))
	}
}
