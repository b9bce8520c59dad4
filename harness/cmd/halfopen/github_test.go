package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/report"
)

func TestAJobIsAnnotatedWithWhatFailedAndWhatBroke(t *testing.T) {
	g := NewWithT(t)
	source := t.TempDir()
	g.Expect(os.WriteFile(filepath.Join(source, "reboot.go"), nil, 0o644)).To(Succeed())
	var commands strings.Builder
	job := github{commands: &commands, source: source}
	job.annotate([]report.SpecResult{
		{Claim: "host-crash/reboot-rst", Case: "server breaks", Family: 4, Verdict: report.Fail, Reason: "expected 100 %\nseen: none", Location: "reboot.go:21"},
		{Claim: "open/refused", Case: "a, b: c", Family: 6, Verdict: report.Broken, Reason: "no nftables", Location: "elsewhere.go:3"},
		{Claim: "open/refused", Family: 4, Verdict: report.Pass},
		{Claim: "open/syncnt", Family: 4, Verdict: report.Unsupported, Reason: "no"},
	}, "6.1")
	g.Expect(commands.String()).To(Equal(
		"::error file=reboot.go,line=21,title=host-crash/reboot-rst IPv4 server breaks on 6.1::expected 100 %25%0Aseen: none\n" +
			"::warning title=open/refused IPv6 a%2C b%3A c on 6.1::no nftables\n"))
}

func TestAJobsSummaryGrows(t *testing.T) {
	g := NewWithT(t)
	summary := filepath.Join(t.TempDir(), "summary.md")
	job := github{summary: summary}
	g.Expect(job.summarize([]byte("one\n"))).To(Succeed())
	g.Expect(job.summarize([]byte("two\n"))).To(Succeed())
	written, err := os.ReadFile(summary)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(written)).To(Equal("one\n\ntwo\n\n"))
	g.Expect(github{}.summarize([]byte("nobody asks"))).To(Succeed())
	g.Expect(github{summary: "/nowhere/summary.md"}.summarize([]byte("one"))).To(MatchError(ContainSubstring("the job's summary cannot be written")))
}
