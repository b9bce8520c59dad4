package page_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/page"
	"github.com/halfopen/halfopen/harness/report"
)

// input is a run of the first claims of the catalogue, each over both families by a spec that is so.
func input(t testing.TB, claims int, so func(i int, s *report.SpecResult)) page.Input {
	t.Helper()
	catalogue, err := claim.Load()
	if err != nil {
		t.Fatal(err)
	}
	capture, err := os.ReadFile(filepath.Join("testdata", "capture.pcapng"))
	if err != nil {
		t.Fatal(err)
	}
	in := page.Input{Catalogue: catalogue, Folder: t.TempDir(), Run: report.Run{
		Kernel: report.Kernel{Release: "6.12.0", Version: "#1 SMP", Machine: "x86_64", HZ: 250},
		Clock:  "real", Profile: "scaled", Started: "2026-01-01T00:00:00Z", Seconds: 86.3, Complete: true,
	}}
	for i, proved := range catalogue.Claims()[:claims] {
		for _, family := range []int{4, 6} {
			s := report.SpecResult{
				Claim: proved.ID, Family: family, Text: proved.Text, Verdict: report.Pass, Seconds: 1.2,
				Observations: []report.Observation{{Name: "detected_after", Value: 0.209, Unit: report.Seconds}, {Name: "errno", Value: "ECONNRESET"}},
				Pcapng:       strings.ReplaceAll(proved.ID, "/", "-") + map[int]string{4: "-ipv4.pcapng", 6: "-ipv6.pcapng"}[family],
			}
			if so != nil {
				so(i, &s)
			}
			if s.Pcapng != "" {
				if err := os.WriteFile(filepath.Join(in.Folder, filepath.Base(s.Pcapng)), capture, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			in.Specs = append(in.Specs, s)
		}
	}
	in.Run.Claims = report.Results(catalogue, in.Specs)
	return in
}

func render(t testing.TB, in page.Input) string {
	t.Helper()
	out, err := page.HTML(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestAPageNeedsNothingElse(t *testing.T) {
	g := NewWithT(t)
	in := input(t, 20, nil)
	out := render(t, in)
	g.Expect(out).To(Equal(render(t, in)), "the same results make the same page")
	g.Expect(out).NotTo(MatchRegexp(`(?i)(src|href)="?(https?:)?//|@import|url\(`))
	g.Expect(out).To(ContainSubstring("Linux 6.12.0"))
	g.Expect(out).To(ContainSubstring(`<b>40</b>`))
	g.Expect(strings.Count(out, `<details class="claim"`)).To(Equal(20))
	g.Expect(out).NotTo(ContainSubstring("How soon each mechanism"), "nothing of the table of detection was run")
	g.Expect(out).NotTo(ContainSubstring("ZgotmplZ"))
}

func TestLaddersOfWhatPassedArePacked(t *testing.T) {
	g := NewWithT(t)
	out := render(t, input(t, 2, nil))
	g.Expect(out).NotTo(ContainSubstring(`<svg class="ladder"`))
	packs := regexp.MustCompile(`<script type="text/plain" class="pack">([^<]*)</script>`).FindAllStringSubmatch(out, -1)
	g.Expect(packs).To(HaveLen(2))
	packed, err := base64.StdEncoding.DecodeString(packs[0][1])
	g.Expect(err).NotTo(HaveOccurred(), "base64 as it is, without a character that HTML escapes")
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	g.Expect(err).NotTo(HaveOccurred())
	var drawings []string
	g.Expect(json.NewDecoder(plain).Decode(&drawings)).To(Succeed())
	g.Expect(drawings).To(HaveLen(2))
	g.Expect(drawings[0]).To(HavePrefix(`<svg class="ladder"`))
	g.Expect(strings.Count(out, `class="drawing packed"`)).To(Equal(4))
}

func TestWhatDidNotPassIsOpenAndDrawn(t *testing.T) {
	g := NewWithT(t)
	out := render(t, input(t, 3, func(i int, s *report.SpecResult) {
		if i == 1 {
			s.Verdict, s.Reason, s.State, s.Rerun = report.Fail, "expected </script><script>alert(1)</script>", "gone", "halfopen run this & that"
		}
	}))
	g.Expect(strings.Count(out, `<details class="claim"`)).To(Equal(3))
	g.Expect(regexp.MustCompile(`<details class="claim" id="[^"]*" open`).FindAllString(out, -1)).To(HaveLen(1))
	g.Expect(strings.Count(out, `<svg class="ladder"`)).To(Equal(2))
	g.Expect(out).To(ContainSubstring("expected &lt;/script&gt;"))
	g.Expect(out).To(ContainSubstring(command("halfopen run this &amp; that")))
}

func TestWhatDidNotPassComesFirst(t *testing.T) {
	g := NewWithT(t)
	out := render(t, input(t, 1, func(_ int, s *report.SpecResult) {
		if s.Family == 6 {
			s.Verdict, s.Reason = report.Broken, "no namespace"
		}
	}))
	g.Expect(out).To(MatchRegexp(`(?s)<article class="spec broken">.*<article class="spec pass">`))
}

func TestManyFailuresDoNotSwellThePage(t *testing.T) {
	g := NewWithT(t)
	out := render(t, input(t, 100, func(_ int, s *report.SpecResult) { s.Verdict, s.Reason = report.Fail, "everything" }))
	g.Expect(strings.Count(out, `<svg class="ladder"`)).To(Equal(24))
	g.Expect(len(out)).To(BeNumerically("<", 1<<20))
}

func TestACaptureThatCannotBeReadLeavesThePageWhole(t *testing.T) {
	g := NewWithT(t)
	in := input(t, 3, nil)
	g.Expect(os.Remove(filepath.Join(in.Folder, in.Specs[0].Pcapng))).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(in.Folder, in.Specs[1].Pcapng), []byte("no capture"), 0o644)).To(Succeed())
	in.Specs[2].Pcapng = "../../outside.pcapng"
	out := render(t, in)
	g.Expect(strings.Count(out, `<details class="claim"`)).To(Equal(3))
	g.Expect(strings.Count(out, `class="drawing packed"`)).To(Equal(3))
}

// command is a command as the page has it: a line may end between two words, and not in --family.
func command(text string) string {
	return "<code><span>" + strings.ReplaceAll(text, " ", "</span> <span>") + "</span> </code>"
}

func TestHowToRunAgain(t *testing.T) {
	g := NewWithT(t)
	in := input(t, 2, nil)
	first := in.Specs[0].Claim
	g.Expect(render(t, in)).To(ContainSubstring(command("halfopen run " + first + " --family 4 --profile scaled")))
	in.Kernel, in.Run.Clock, in.Run.Profile, in.Run.Seed, in.Program = "debian:6.12", "virtual", "defaults", 7, "./halfopen"
	g.Expect(render(t, in)).To(ContainSubstring(command("./halfopen run " + first + " --family 4 --profile defaults --kernel debian:6.12 --seed 7")))
}

func TestHowToRunAllOfItAgain(t *testing.T) {
	g := NewWithT(t)
	in := input(t, 5, nil)
	in.Specs[0].Claim, in.Specs[1].Claim = "open/syncnt", "open/syncnt"
	in.Run.Claims = report.Results(in.Catalogue, in.Specs)
	ran := "halfopen run"
	for i := 2; i < len(in.Specs); i += 2 {
		ran += " " + in.Specs[i].Claim
	}
	g.Expect(render(t, in)).To(ContainSubstring(command(ran + " open/syncnt --profile scaled")))
	in.Run.Complete = false
	g.Expect(render(t, in)).To(ContainSubstring(command("halfopen run process-crash open --profile scaled")))
}

func TestTheChartOfDetection(t *testing.T) {
	g := NewWithT(t)
	in := input(t, 1, nil)
	for _, family := range []int{4, 6} {
		for fault, after := range map[string]float64{report.HostOff: 6.7, report.ProcessKilled: 0.003} {
			in.Specs = append(in.Specs, report.SpecResult{Claim: "application/detection-keepalive", Family: family, Case: fault, Verdict: report.Pass, Observations: []report.Observation{
				{Name: "mechanism", Value: "TCP keepalive: 1 s + 3 x 1 s"}, {Name: "detected_after", Value: after, Unit: report.Seconds}, {Name: "told", Value: "ETIMEDOUT"},
			}})
		}
	}
	in.Run.Claims = report.Results(in.Catalogue, in.Specs)
	out := render(t, in)
	g.Expect(out).To(ContainSubstring(`<svg class="chart wide"`))
	g.Expect(out).To(ContainSubstring(`<svg class="chart tall"`))
	g.Expect(out).To(ContainSubstring(">6.70 s</text>"))
}

// BenchmarkHTML is a page of 294 claims over both families, which is most of a run.
func BenchmarkHTML(b *testing.B) {
	in := input(b, 294, nil)
	b.ResetTimer()
	for b.Loop() {
		b.ReportMetric(float64(len(render(b, in))), "bytes")
	}
}
