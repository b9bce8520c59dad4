package matrix_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/fixtures"
	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/internal/jsonschema"
	"github.com/halfopen/halfopen/harness/matrix"
	"github.com/halfopen/halfopen/harness/report"
)

func catalogue(t *testing.T) *claim.Catalogue {
	t.Helper()
	c, err := claim.Load()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c
}

func saw(t *testing.T, pairs ...any) []report.Observation {
	t.Helper()
	var all []report.Observation
	for i := 0; i < len(pairs); i += 2 {
		o, err := report.Observe(pairs[i].(string), pairs[i+1])
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		all = append(all, o)
	}
	return all
}

// column is a kernel on which one claim was decided over IPv4, with these observations.
func column(name string, hz int, specs ...report.SpecResult) matrix.Column {
	return matrix.Column{
		Name: name, Folder: strings.ReplaceAll(name, ":", "-"), WallSeconds: 50, Specs: specs,
		Run: report.Run{
			Kernel: report.Kernel{Release: strings.TrimPrefix(name, "debian:") + ".9-amd64", Version: "#1", Machine: "x86_64", HZ: hz},
			Clock:  "virtual", Profile: "defaults", Started: "2026-01-01T00:00:00Z", Seconds: 940, Complete: true,
		},
	}
}

func spec(t *testing.T, verdict report.Verdict, pairs ...any) report.SpecResult {
	return report.SpecResult{Claim: someClaim, Family: 4, Text: "aborts", Verdict: verdict, Seconds: 1, Observations: saw(t, pairs...)}
}

// someClaim is one of the catalogue's.
const someClaim = "keepalive/exhausted-etimedout"

// differs is what the second of two kernels is said to differ in.
func differs(t *testing.T, left, right matrix.Column) []string {
	t.Helper()
	m := matrix.New(catalogue(t), []matrix.Column{left, right})
	return m.Claims[0].Cells[right.Name].Differs
}

func TestWhatCountsAsADifference(t *testing.T) {
	for name, tc := range map[string]struct {
		hzLeft, hzRight int
		left, right     []any
		want            []string
	}{
		"the same":                              {250, 250, []any{"detected_after", 7923.0, "errno", "ETIMEDOUT"}, []any{"detected_after", 7923.0, "errno", "ETIMEDOUT"}, nil},
		"a time within 2 %":                     {250, 250, []any{"detected_after", 100.0}, []any{"detected_after", 102.0}, nil},
		"a time beyond 2 %":                     {250, 250, []any{"detected_after", 100.0}, []any{"detected_after", 102.1}, []string{"detected_after"}},
		"a short time within a jiffy and noise": {250, 250, []any{"fin_after", 0.0003}, []any{"fin_after", 0.0493}, nil},
		"a short time beyond a jiffy and noise": {250, 250, []any{"fin_after", 0.0003}, []any{"fin_after", 0.0494}, []string{"fin_after"}},
		"the coarser kernel's jiffy":            {1000, 100, []any{"fin_after", 0.0003}, []any{"fin_after", 0.0553}, nil},
		"an HZ that nobody knows":               {0, 1000, []any{"fin_after", 0.0003}, []any{"fin_after", 0.0553}, nil},
		"a jiffy of the finer kernels":          {1000, 1000, []any{"fin_after", 0.0003}, []any{"fin_after", 0.0473}, []string{"fin_after"}},
		"another name":                          {250, 250, []any{"errno", "ETIMEDOUT"}, []any{"errno", "EHOSTUNREACH"}, []string{"errno"}},
		"another count":                         {250, 250, []any{"probes", 100}, []any{"probes", 101}, []string{"probes"}},
		"other bytes":                           {250, 250, []any{"bytes_delivered", 100000}, []any{"bytes_delivered", 100001}, []string{"bytes_delivered"}},
		"observed on the left alone":            {250, 250, []any{"probes", 1, "errno", "EPIPE"}, []any{"errno", "EPIPE"}, []string{"probes"}},
		"observed on the right alone":           {250, 250, []any{"errno", "EPIPE"}, []any{"probes", 1, "errno", "EPIPE"}, []string{"probes"}},
		"several, in alphabetical order":        {250, 250, []any{"probes", 1, "errno", "EPIPE"}, []any{"probes", 2, "errno", "ECONNRESET"}, []string{"errno", "probes"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := differs(t, column("a", tc.hzLeft, spec(t, report.Pass, tc.left...)), column("b", tc.hzRight, spec(t, report.Pass, tc.right...)))
			NewWithT(t).Expect(got).To(HaveExactElements(toAny(tc.want)...))
		})
	}
}

func toAny(list []string) []any {
	all := []any{}
	for _, one := range list {
		all = append(all, one)
	}
	return all
}

// A spec that fails early observes less than one that fails late, and that is no difference.
func TestTwoFailuresDifferInWhatBothObserved(t *testing.T) {
	g := NewWithT(t)
	early := column("a", 250, spec(t, report.Fail, "errno", "EPIPE"))
	g.Expect(differs(t, early, column("b", 250, spec(t, report.Fail, "errno", "EPIPE", "probes", 3)))).To(BeEmpty())
	g.Expect(differs(t, early, column("b", 250, spec(t, report.Fail, "errno", "ECONNRESET", "probes", 3)))).To(Equal([]string{"errno"}))
}

func TestAnotherVerdictStandsForAllThatIsDifferent(t *testing.T) {
	got := differs(t, column("a", 250, spec(t, report.Pass, "errno", "EPIPE")), column("b", 250, spec(t, report.Fail, "errno", "ECONNRESET")))
	NewWithT(t).Expect(got).To(Equal([]string{"verdict"}))
}

// What broke says nothing of the kernel: neither it nor its neighbour on the right is marked for
// it, and the kernels on either side of it are compared with each other.
func TestABrokenCellAndAKernelThatDidNotRunAreNobodysNeighbour(t *testing.T) {
	g := NewWithT(t)
	m := matrix.New(catalogue(t), []matrix.Column{
		column("a", 250, spec(t, report.Pass, "errno", "ETIMEDOUT")),
		column("b", 250, spec(t, report.Broken)),
		{Name: "c", Problem: "the guest did not boot"},
		column("d", 250, spec(t, report.Pass, "errno", "ETIMEDOUT")),
		column("e", 250, spec(t, report.Pass, "errno", "ECONNRESET")),
	})
	cells := m.Claims[0].Cells
	g.Expect(cells).To(HaveLen(4))
	g.Expect(cells["b"].Differs).To(BeEmpty())
	g.Expect(cells["d"].Differs).To(BeEmpty())
	g.Expect(cells["e"].Differs).To(Equal([]string{"errno"}))
}

func TestCasesAreObservedUnderTheirNames(t *testing.T) {
	g := NewWithT(t)
	two := func(second time.Duration) []report.SpecResult {
		a, b := spec(t, report.Pass, "detected_after", time.Second), spec(t, report.Pass, "detected_after", second)
		a.Case, b.Case = "server breaks", "client breaks"
		return []report.SpecResult{a, b}
	}
	m := matrix.New(catalogue(t), []matrix.Column{column("a", 250, two(time.Second)...), column("b", 250, two(2*time.Second)...)})
	cell := m.Claims[0].Cells["b"]
	g.Expect(cell.Headline).To(Equal("1.00 to 2.00 s"))
	g.Expect(cell.Differs).To(Equal([]string{"client_breaks.detected_after"}))
}

// several is a matrix with every verdict, a kernel that did not run and one that ran half.
func several(t *testing.T) *matrix.Matrix {
	pass := func(seconds float64) []report.SpecResult {
		var all []report.SpecResult
		for _, family := range []int{6, 4} {
			s := spec(t, report.Pass, "detected_after", seconds, "errno", "ETIMEDOUT")
			s.Family, s.Pcapng = family, "a.pcapng"
			s.Packets = []string{"+0.000000 s  #1  client -> server  SYN", `+1.0 s  · server: </script><script>alert("x")</script>`}
			all = append(all, s)
		}
		return all
	}
	unsupported := report.SpecResult{Claim: "retransmission/rto-max-sysctl-ladder", Family: 4, Text: "caps", Verdict: report.Unsupported, Reason: "kernel 5.10.9-amd64 has no tcp_rto_max_ms (since 6.15)"}
	same := unsupported
	same.Reason = "kernel 6.1.9-amd64 has no tcp_rto_max_ms (since 6.15)"
	fail := spec(t, report.Fail, "detected_after", 3.5, "errno", "EPIPE")
	fail.Reason = "Expected\n    EPIPE\nto equal\n    ETIMEDOUT <&>"
	half := column("debian:6.16", 250, report.SpecResult{Claim: someClaim, Family: 4, Verdict: report.Broken, Reason: "under way when the guest's kernel panicked"})
	half.Complaints = []string{"[ 1.2] WARNING: CPU: 0 PID: 1 at net/ipv4/tcp.c:1"}
	half.Run.Complete, half.Problem = false, "the guest's kernel panicked; its last words:\n  Oops: 0000 [#1]"
	oldest := column("debian:5.10", 250, append(pass(7926), unsupported)...)
	oldest.System = "Debian GNU/Linux 12 (bookworm)\nnet.ipv4.tcp_retries2 is 3, the kernel has 15 (<mine>.conf)\n"
	return matrix.New(catalogue(t), []matrix.Column{
		oldest,
		column("debian:6.1", 1000, append(pass(7923), same)...),
		{Name: "/boot/vmlinuz-mine,/lib/modules/mine", Problem: "the guest did not boot; its last words:\n  VFS: Unable to mount root"},
		half,
		column("debian:7.3", 250, fail),
	})
}

func TestJSONKeepsItsSchema(t *testing.T) {
	g := NewWithT(t)
	m := several(t)
	written, err := m.JSON()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(jsonschema.Refused(fixtures.MatrixSchema, written)).To(BeEmpty())

	empty, err := matrix.New(catalogue(t), nil).JSON()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(jsonschema.Refused(fixtures.MatrixSchema, empty)).To(BeEmpty())

	spoiled := regexp.MustCompile(`"verdict": "pass"`).ReplaceAll(written, []byte(`"verdict": "perhaps"`))
	g.Expect(jsonschema.Refused(fixtures.MatrixSchema, spoiled)).NotTo(BeEmpty())

	var again matrix.Matrix
	g.Expect(json.Unmarshal(written, &again)).To(Succeed())
	g.Expect(again.Kernels).To(Equal(m.Kernels))
	g.Expect(again.Claims).To(HaveLen(3), "a claim over either family, and one over IPv4 alone")
	g.Expect([]int{again.Claims[0].Family, again.Claims[1].Family}).To(Equal([]int{4, 6}))
	g.Expect(again.Claims[0].Cells["debian:5.10"].Pcapng).To(Equal([]string{"debian-5.10/a.pcapng"}))
	g.Expect(again.Claims[0].Cells).NotTo(HaveKey("/boot/vmlinuz-mine,/lib/modules/mine"))
}

func TestTheExitCodeIsTheWorst(t *testing.T) {
	g := NewWithT(t)
	code := func(columns ...matrix.Column) int { return matrix.New(catalogue(t), columns).ExitCode() }
	good := column("a", 250, spec(t, report.Pass))
	half := column("b", 250, spec(t, report.Pass))
	half.Problem = "interrupted"
	g.Expect(several(t).ExitCode()).To(Equal(1))
	g.Expect(code(good)).To(Equal(0))
	g.Expect(code(good, column("b", 250, spec(t, report.Broken)))).To(Equal(2))
	g.Expect(code(good, half)).To(Equal(2))
	g.Expect(code(good, matrix.Column{Name: "b", Problem: "the guest did not boot"})).To(Equal(2))
}

func TestThePlainTable(t *testing.T) {
	g := NewWithT(t)
	want := `claim                  IP   5.10               6.1                vmlinuz-mine       6.16               7.3
                            5.10.9             6.1.9              did not run        6.16.9             7.3.9
keepalive
  exhausted-etimedout  4    7926 s ETIMEDOUT   7923 s ETIMEDOUT   -                  broken            ≠FAIL 3.50 s EPIPE
                       6    7926 s ETIMEDOUT   7923 s ETIMEDOUT   -                  -                  -
retransmission
  rto-max-sysctl-lad…  4    unsupported        unsupported        -                  -                  -
`
	got := several(t).Text(0, false)
	g.Expect(normal(got)).To(HavePrefix(normal(want)))
	g.Expect(got).To(ContainSubstring("/boot/vmlinuz-mine,/lib/modules/mine: the guest did not boot; its last words:\n  VFS: Unable to mount root\n"))
	g.Expect(got).To(ContainSubstring("debian:6.16: the kernel complained on its console\n    [ 1.2] WARNING: CPU: 0"))
	g.Expect(got).To(ContainSubstring("debian:5.10 in a whole system\n    Debian GNU/Linux 12 (bookworm)\n    net.ipv4.tcp_retries2 is 3, the kernel has 15 (<mine>.conf)\n\n"))
	g.Expect(got).To(ContainSubstring("fail  keepalive/exhausted-etimedout over IPv4 on 7.3\n    Expected\n        EPIPE\n"))
	g.Expect(got).NotTo(ContainSubstring("\x1b"))
}

// normal makes tables comparable whose columns are of other widths.
func normal(table string) string {
	table = strings.NewReplacer("rto-max-sysctl-lad…", "rto-max-sysctl-ladder").Replace(table)
	return regexp.MustCompile(` +`).ReplaceAllString(table, " ")
}

func TestThePlainTableFitsTheTerminal(t *testing.T) {
	for _, width := range []int{200, 120, 80, 60} {
		g := NewWithT(t)
		table, _, _ := strings.Cut(several(t).Text(width, false), "\n\n≠ ")
		for line := range strings.SplitSeq(table, "\n") {
			g.Expect(utf8.RuneCountInString(line)).To(BeNumerically("<=", width), line)
		}
		for _, label := range []string{"5.10", "6.1", "vmlinuz-mine", "6.16", "7.3"} {
			g.Expect(strings.Count(table, " "+label+" ")+strings.Count(table, " "+label+"\n")).To(Equal(1), label)
		}
	}
}

func TestColourIsOnlyAskedFor(t *testing.T) {
	g := NewWithT(t)
	painted := several(t).Text(200, true)
	g.Expect(painted).To(ContainSubstring("\x1b["))
	g.Expect(regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAllString(painted, "")).To(Equal(several(t).Text(200, false)))
}

func TestThePageNeedsNothingElse(t *testing.T) {
	g := NewWithT(t)
	page, err := several(t).HTML("")
	g.Expect(err).NotTo(HaveOccurred())
	html := string(page)

	g.Expect(regexp.MustCompile(`(?i)(src|href)="?(https?:)?//`).FindString(html)).To(BeEmpty())
	g.Expect(html).NotTo(MatchRegexp(`@import|url\(`))
	g.Expect(strings.Count(html, "<script")).To(Equal(2), "what a guest said must stay text")
	g.Expect(html).NotTo(ContainSubstring("ZgotmplZ"))
	g.Expect(html).To(ContainSubstring("EPIPE\nto equal\n    ETIMEDOUT &lt;&amp;&gt;"))
	g.Expect(html).To(ContainSubstring("did not run: the guest did not boot"))
	g.Expect(html).To(MatchRegexp(`rto-max-sysctl-ladder over IPv4 on 5\.10, 6\.1</span></dt>\s*<dd><pre>this kernel has no tcp_rto_max_ms`), "once, though each names itself")
	g.Expect(html).To(ContainSubstring("complained on its console: [ 1.2] WARNING"))
	g.Expect(html).To(ContainSubstring("prefers-color-scheme: dark"))
	g.Expect(html).To(ContainSubstring("@media print"))
	g.Expect(html).To(MatchRegexp(`aria-label="keepalive/exhausted-etimedout on 7\.3: IPv4 fail 3\.50 s EPIPE, differs"`))

	first := panel(t, html)[0]
	g.Expect(first.Sources).To(ContainElement("kernel tcp_keepalive_timer"))
	g.Expect(first.Cells["1"][0].Left).To(Equal(0))
	g.Expect(first.Cells["4"][0].Left).To(Equal(1), "the broken and the missing one are passed over")
	g.Expect(first.Cells["0"][0].Specs[0].Packets).To(HaveLen(2))
	g.Expect(first.Cells["0"][0].Specs[0].Seen[1].Value).To(Equal("ETIMEDOUT"))
}

// panelClaim is what the page's panel unpacks of a claim.
type panelClaim struct {
	ID, Text, Level string
	Sources         []string
	Ladders         []string
	Cells           map[string][]struct {
		Left    int
		Differs []string
		Specs   []struct {
			Ladder  *int
			Packets []string
			Seen    []struct{ Name, Value string }
		}
	}
}

// panel reads what the page holds for its panel, and sees that the table's cells can be opened with it.
func panel(t *testing.T, html string) []panelClaim {
	t.Helper()
	g := NewWithT(t)
	_, data, found := strings.Cut(html, `<script type="application/json" id="data">`)
	g.Expect(found).To(BeTrue())
	data, _, _ = strings.Cut(data, "</script>")
	var read struct {
		Claims []struct {
			ID, Pack string
			Kernels  []int
		}
	}
	g.Expect(json.Unmarshal([]byte(data), &read)).To(Succeed())
	var claims []panelClaim
	for i, packed := range read.Claims {
		compressed, err := base64.StdEncoding.DecodeString(packed.Pack)
		g.Expect(err).NotTo(HaveOccurred())
		plain, err := gzip.NewReader(bytes.NewReader(compressed))
		g.Expect(err).NotTo(HaveOccurred())
		var c panelClaim
		g.Expect(json.NewDecoder(plain).Decode(&c)).To(Succeed())
		g.Expect(c.ID).To(Equal(packed.ID))
		g.Expect(packed.Kernels).To(HaveLen(len(c.Cells)))
		for _, kernel := range packed.Kernels {
			g.Expect(c.Cells).To(HaveKey(strconv.Itoa(kernel)))
			g.Expect(html).To(ContainSubstring(fmt.Sprintf(`data-claim="%d" data-kernel="%d"`, i, kernel)))
		}
		claims = append(claims, c)
	}
	return claims
}

// The same columns give the same bytes: nothing of a matrix depends on a map's order.
func TestAMatrixIsWrittenTheSameEveryTime(t *testing.T) {
	g := NewWithT(t)
	first, err := several(t).HTML("")
	g.Expect(err).NotTo(HaveOccurred())
	for range 5 {
		again, err := several(t).HTML("")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(again)).To(Equal(string(first)))
	}
}

func TestALineForEachKernel(t *testing.T) {
	g := NewWithT(t)
	markdown := string(several(t).Markdown())
	g.Expect(markdown).To(ContainSubstring("\n| debian:5.10 | 5.10.9-amd64 | 2 | 0 | 0 | 1 | 0 |\n"))
	g.Expect(markdown).To(ContainSubstring("\n| /boot/vmlinuz-mine,/lib/modules/mine | did not run | 0 | 0 | 0 | 0 | 0 |\n"))
	g.Expect(markdown).To(ContainSubstring("\n| debian:7.3 | 7.3.9-amd64 | 0 | 1 | 0 | 0 | 1 |\n"))
	g.Expect(markdown).To(ContainSubstring("\ndebian:6.16: the guest's kernel panicked; its last words:\n"))
	g.Expect(markdown).NotTo(ContainSubstring("Oops"), "the first line is enough")
}

// A script's file may hold nothing that would end it inside the page.
func TestTheEmbeddedFilesCannotEndTheirElements(t *testing.T) {
	g := NewWithT(t)
	for _, name := range []string{"page.js", "page.css"} {
		text, err := os.ReadFile(filepath.Join(".", name))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(text)).NotTo(ContainSubstring("</"))
		g.Expect(string(text)).NotTo(ContainSubstring("<!--"))
	}
}

func TestThePageDrawsTheCapturesThereAre(t *testing.T) {
	g := NewWithT(t)
	root := t.TempDir()
	capture, err := os.ReadFile("../page/testdata/capture.pcapng")
	g.Expect(err).NotTo(HaveOccurred())
	m := several(t)
	folder := filepath.Join(root, m.Kernels[0].Folder)
	g.Expect(os.MkdirAll(folder, 0o755)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(folder, "a.pcapng"), capture, 0o644)).To(Succeed())
	page, err := m.HTML(root)
	g.Expect(err).NotTo(HaveOccurred())
	c := panel(t, string(page))[0]
	g.Expect(c.Ladders).To(HaveLen(1), "both families have the same capture here")
	g.Expect(c.Ladders[0]).To(HavePrefix(`<svg class="ladder"`))
	for _, family := range c.Cells["0"] {
		g.Expect(family.Specs[0].Ladder).To(HaveValue(Equal(0)))
		g.Expect(family.Specs[0].Packets).To(BeEmpty())
	}
	g.Expect(c.Cells["1"][0].Specs[0].Ladder).To(BeNil(), "the second kernel's capture is not there: the lines are")
	g.Expect(c.Cells["1"][0].Specs[0].Packets[0]).To(ContainSubstring("client -> server"))

	another, err := os.ReadFile("../ladder/testdata/nat.pcapng")
	g.Expect(err).NotTo(HaveOccurred())
	folder = filepath.Join(root, m.Kernels[1].Folder)
	g.Expect(os.MkdirAll(folder, 0o755)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(folder, "a.pcapng"), another, 0o644)).To(Succeed())
	page, err = m.HTML(root)
	g.Expect(err).NotTo(HaveOccurred())
	c = panel(t, string(page))[0]
	g.Expect(c.Ladders).To(HaveLen(2))
	for _, family := range []int{0, 1} {
		g.Expect(c.Cells["0"][family].Specs[0].Ladder).To(HaveValue(Equal(0)))
		g.Expect(c.Cells["1"][family].Specs[0].Ladder).To(HaveValue(Equal(1)))
	}
	g.Expect(c.Ladders[1]).To(ContainSubstring("router"))
}
