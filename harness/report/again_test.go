package report_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/report"
)

func TestAgainIsTheCommandThatWasCalled(t *testing.T) {
	g := NewWithT(t)
	for _, told := range []string{"go run ./harness/cmd/halfopen", "/init", "/usr/local/bin/halfopen"} {
		s := report.SpecResult{Rerun: told + " run keepalive/off-by-default --family 4"}
		s.CalledAs("./halfopen", "--kernel", "debian:6.12")
		g.Expect(s.Rerun).To(Equal("./halfopen run keepalive/off-by-default --family 4 --kernel debian:6.12"))
	}
	unknown := report.SpecResult{}
	unknown.CalledAs("./halfopen", "--kernel", "debian:6.12")
	g.Expect(unknown.Rerun).To(BeEmpty())
}
