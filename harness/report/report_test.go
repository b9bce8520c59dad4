package report_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/fixtures"
	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/report"
)

func catalogue(t *testing.T) *claim.Catalogue {
	t.Helper()
	c, err := claim.Load()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c
}

func observe(t *testing.T, name string, value any) report.Observation {
	t.Helper()
	o, err := report.Observe(name, value)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return o
}

// someSpecs is a small run with every verdict in it, in no order.
func someSpecs(t *testing.T) []report.SpecResult {
	return []report.SpecResult{
		{Claim: "keepalive/off-by-default", Family: 6, Verdict: report.Broken, Seconds: 0.1, Reason: "the lab could not be built: no nftables", Location: "suites/keepalive/off_test.go:12", Rerun: "halfopen run keepalive/off-by-default --family 6"},
		{Claim: "host-crash/reboot-rst", Case: "server breaks", Family: 4, Verdict: report.Pass, Seconds: 1.9, Pcapng: "a.pcapng",
			Observations: []report.Observation{observe(t, "detected_after", 1634*time.Millisecond), observe(t, "errno", "ECONNRESET"), observe(t, "retransmissions", 1)}},
		{Claim: "host-crash/reboot-rst", Case: "client breaks", Family: 4, Verdict: report.Pass, Seconds: 1.8, Pcapng: "b.pcapng",
			Observations: []report.Observation{observe(t, "detected_after", 1601*time.Millisecond), observe(t, "errno", "ECONNRESET"), observe(t, "retransmissions", 1)}},
		{Claim: "host-crash/reboot-rst", Case: "server breaks", Family: 6, Verdict: report.Pass, Seconds: 2},
		{Claim: "host-crash/reboot-rst", Case: "client breaks", Family: 6, Verdict: report.Fail, Seconds: 3.25, Pcapng: "c.pcapng",
			Reason: "Expected\n    ETIMEDOUT\nto equal\n    ECONNRESET <&>", State: "ESTABLISHED, timer on, 3 doublings",
			Packets: []string{"1.204 client > server data 14", "1.612 client > server data 14 again"},
			Output:  "unplugged \x01 at 1.2 s", Location: "suites/hostcrash/reboot_test.go:42", Rerun: "halfopen run host-crash/reboot-rst --family 6"},
		{Claim: "retransmission/rto-max-sysctl-ladder", Family: 4, Verdict: report.Unsupported, Reason: "this kernel has no tcp_rto_max_ms (since 6.15)"},
	}
}

func TestObserveTakesWhatTheRegistryKnows(t *testing.T) {
	g := NewWithT(t)
	g.Expect(report.Observe("detected_after", 1634567891*time.Nanosecond)).To(Equal(report.Observation{Name: "detected_after", Value: 1.634568, Unit: "s"}))
	g.Expect(report.Observe("probes", uint32(3))).To(Equal(report.Observation{Name: "probes", Value: 3, Unit: "1"}))
	g.Expect(report.Observe("errno", "EPIPE")).To(Equal(report.Observation{Name: "errno", Value: "EPIPE", Unit: ""}))

	for name, tc := range map[string]struct {
		observation string
		value       any
		says        string
	}{
		"unknown":      {"detectd_after", 1.0, "not in the registry"},
		"text as time": {"detected_after", "soon", `cannot be soon (string): its unit is "s"`},
		"time as text": {"errno", time.Second.Seconds(), "cannot be 1 (float64)"},
		"part count":   {"probes", 1.5, "cannot be 1.5"},
		"not a number": {"rtt", math.NaN(), "cannot be NaN"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := report.Observe(tc.observation, tc.value)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(tc.says)))
		})
	}
}

func TestTheRegistryIsSound(t *testing.T) {
	g := NewWithT(t)
	syntax := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	seen := map[string]bool{}
	for _, q := range report.Quantities() {
		g.Expect(q.Name).To(MatchRegexp(syntax.String()))
		g.Expect(seen[q.Name]).To(BeFalse(), q.Name)
		seen[q.Name] = true
		g.Expect(q.Meaning).NotTo(BeEmpty(), q.Name)
		g.Expect(q.Unit).To(BeElementOf(report.Seconds, report.Bytes, report.Count, report.Name))
		if q.Phrase != "" {
			g.Expect(q.Phrase).To(ContainSubstring("%s"), q.Name)
		}
	}
}

func TestASpecResultCrossesThePipeUnchanged(t *testing.T) {
	g := NewWithT(t)
	sent := someSpecs(t)
	sent[1].Observations = append(sent[1].Observations, observe(t, "window_floor", 2*time.Second))
	data, err := json.Marshal(sent)
	g.Expect(err).NotTo(HaveOccurred())
	var got []report.SpecResult
	g.Expect(json.Unmarshal(data, &got)).To(Succeed())
	g.Expect(got).To(Equal(sent))

	for _, bad := range []string{
		`{"verdict":"good"}`,
		`{"verdict":"pass","observations":[{"name":"speed","value":1}]}`,
		`{"verdict":"pass","observations":[{"name":"probes","value":"many"}]}`,
	} {
		g.Expect(json.Unmarshal([]byte(bad), new(report.SpecResult))).NotTo(Succeed(), bad)
	}
}

func TestMergeTakesTheWorstVerdict(t *testing.T) {
	const pass, fail, broken, unsupported = report.Pass, report.Fail, report.Broken, report.Unsupported
	for want, sets := range map[report.Verdict][][]report.Verdict{
		pass:        {{pass}, {pass, unsupported}, {unsupported, pass}},
		fail:        {{fail}, {pass, fail, broken, unsupported}, {broken, fail}},
		broken:      {{broken}, {pass, broken}, {unsupported, broken}, {}},
		unsupported: {{unsupported}, {unsupported, unsupported}},
	} {
		for _, set := range sets {
			var specs []report.SpecResult
			for _, v := range set {
				specs = append(specs, report.SpecResult{Claim: "cable/x", Family: 4, Verdict: v})
			}
			NewWithT(t).Expect(report.Merge(specs).Verdict).To(Equal(want), fmt.Sprint(set))
		}
	}
}

func TestMergeNamesTheCases(t *testing.T) {
	g := NewWithT(t)
	specs := someSpecs(t)

	merged := report.Merge([]report.SpecResult{specs[4], specs[3]})
	g.Expect(merged.Reason).To(HavePrefix("client breaks: Expected\n"))

	merged = report.Merge([]report.SpecResult{specs[1], specs[2]})
	g.Expect(merged).To(Equal(report.Result{
		ID: "host-crash/reboot-rst", Family: 4, Verdict: report.Pass, Seconds: 1.9,
		Observations: map[string]report.Value{
			"server_breaks.detected_after": {1.634, "s"}, "server_breaks.errno": {"ECONNRESET", ""}, "server_breaks.retransmissions": {1, "1"},
			"client_breaks.detected_after": {1.601, "s"}, "client_breaks.errno": {"ECONNRESET", ""}, "client_breaks.retransmissions": {1, "1"},
		},
		Pcapng: []string{"b.pcapng", "a.pcapng"},
	}))

	merged = report.Merge(specs[1:2])
	g.Expect(merged.Observations).To(HaveKeyWithValue("errno", report.Value{Value: "ECONNRESET", Unit: ""}))

	// Cases that were given no name, or the same, lose nothing.
	twice := []report.SpecResult{specs[1], specs[1], {Claim: "x", Observations: specs[1].Observations}}
	g.Expect(report.Merge(twice).Observations).To(HaveLen(9))
	g.Expect(report.Merge(twice).Observations).To(HaveKey("server_breaks_2.errno"))
	g.Expect(report.Merge(twice).Observations).To(HaveKey("case_1.errno"))
}

func TestExitCode(t *testing.T) {
	g := NewWithT(t)
	results := func(verdicts ...report.Verdict) (rs []report.Result) {
		for _, v := range verdicts {
			rs = append(rs, report.Result{Verdict: v})
		}
		return rs
	}
	g.Expect(report.ExitCode(results())).To(Equal(0))
	g.Expect(report.ExitCode(results(report.Pass, report.Unsupported))).To(Equal(0))
	g.Expect(report.ExitCode(results(report.Pass, report.Broken))).To(Equal(2))
	g.Expect(report.ExitCode(results(report.Broken, report.Fail, report.Pass))).To(Equal(1))
}

func someRun(t *testing.T) report.Run {
	return report.Run{
		Kernel: report.Kernel{Release: "6.18.44", Version: "#1 SMP", Machine: "x86_64", HZ: 250},
		Clock:  "real", Profile: "scaled",
		Started: report.Stamp(time.Date(2026, 11, 23, 16, 0, 0, 0, time.FixedZone("", 3600))),
		Seconds: 21.3, Complete: true, Claims: report.Results(catalogue(t), someSpecs(t)),
	}
}

func TestResultsKeepTheirSchemaAndOrder(t *testing.T) {
	g := NewWithT(t)
	data, err := someRun(t).JSON()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(validate(t, fixtures.ResultsSchema, data)).To(BeEmpty())

	var run report.Run
	g.Expect(json.Unmarshal(data, &run)).To(Succeed())
	var order []string
	for _, c := range run.Claims {
		order = append(order, fmt.Sprintf("%s %d %s", c.ID, c.Family, c.Verdict))
	}
	g.Expect(order).To(Equal([]string{
		"host-crash/reboot-rst 4 pass", "host-crash/reboot-rst 6 fail",
		"keepalive/off-by-default 6 broken", "retransmission/rto-max-sysctl-ladder 4 unsupported",
	}))
	g.Expect(run.Schema).To(Equal("halfopen.results/v1"))
	g.Expect(run.Started).To(Equal("2026-11-23T15:00:00Z"))

	// The order the specs ended in leaves no trace.
	specs := someSpecs(t)
	for i, j := 0, len(specs)-1; i < j; i, j = i+1, j-1 {
		specs[i], specs[j] = specs[j], specs[i]
	}
	other := someRun(t)
	other.Claims = report.Results(catalogue(t), specs)
	g.Expect(other.JSON()).To(Equal(data))

	interrupted := report.Run{Kernel: report.Kernel{Release: "5.10.0"}, Clock: "virtual", Profile: "defaults", Family: 6, Started: report.Stamp(time.Now())}
	data, err = interrupted.JSON()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(validate(t, fixtures.ResultsSchema, data)).To(BeEmpty())
}

func TestResultsSayWhoMadeThemOfWhichKernel(t *testing.T) {
	g := NewWithT(t)
	run := someRun(t)
	run.Halfopen, run.Kernel.Name = "v1.2.3", "debian:6.18"
	run.Kernel.Sysctls = map[string]string{"net.ipv4.tcp_retries2": "15"}
	data, err := run.JSON()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(validate(t, fixtures.ResultsSchema, data)).To(BeEmpty())
	g.Expect(string(data)).To(ContainSubstring(`"halfopen": "v1.2.3"`))

	dir := t.TempDir()
	g.Expect(os.WriteFile(filepath.Join(dir, report.ResultsFile), data, 0o600)).To(Succeed())
	loaded, err := report.Load(dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(loaded.Kernel).To(Equal(run.Kernel))
	g.Expect(loaded.Claims).To(Equal(run.Claims), "counts are whole numbers again")
}

func TestRunsAreFoundByTheirFolders(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	for _, run := range []string{"b", "a", "empty"} {
		g.Expect(os.Mkdir(filepath.Join(dir, run), 0o755)).To(Succeed())
		if run != "empty" {
			g.Expect(os.WriteFile(filepath.Join(dir, run, report.ResultsFile), nil, 0o600)).To(Succeed())
		}
	}
	a, b := filepath.Join(dir, "a", report.ResultsFile), filepath.Join(dir, "b", report.ResultsFile)
	g.Expect(report.Find(dir)).To(Equal([]string{a, b}))
	g.Expect(report.Find(filepath.Join(dir, "b"))).To(Equal([]string{b}))
	g.Expect(report.Find(a)).To(Equal([]string{a}))
	_, err := report.Find(filepath.Join(dir, "empty"))
	g.Expect(err).To(MatchError(ContainSubstring("holds no results.json, nor does a folder in it")))
	_, err = report.Find(filepath.Join(dir, "nowhere"))
	g.Expect(err).To(MatchError(HavePrefix("there is no " + dir + "/nowhere: `halfopen run` writes")))
}

func TestSpecsAreKept(t *testing.T) {
	g := NewWithT(t)
	specs := someSpecs(t)
	data, err := report.SpecsJSON(specs)
	g.Expect(err).NotTo(HaveOccurred())
	dir := t.TempDir()
	g.Expect(os.WriteFile(filepath.Join(dir, report.SpecsFile), data, 0o600)).To(Succeed())
	g.Expect(report.LoadSpecs(dir)).To(Equal(specs))

	none, err := report.SpecsJSON(nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(filepath.Join(dir, report.SpecsFile), none, 0o600)).To(Succeed())
	g.Expect(report.LoadSpecs(dir)).To(BeEmpty())
	g.Expect(os.WriteFile(filepath.Join(dir, report.SpecsFile), []byte(`[{"verdict":"perhaps"}]`), 0o600)).To(Succeed())
	_, err = report.LoadSpecs(dir)
	g.Expect(err).To(MatchError(ContainSubstring("cannot be read by this halfopen")))
}

func TestTheSchemaRefusesWhatIsNotAResult(t *testing.T) {
	data, err := someRun(t).JSON()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	first := func(doc map[string]any) map[string]any { return doc["claims"].([]any)[0].(map[string]any) }
	for name, spoil := range map[string]func(doc map[string]any){
		"other version":  func(doc map[string]any) { doc["schema"] = "halfopen.results/v2" },
		"no kernel":      func(doc map[string]any) { delete(doc, "kernel") },
		"unknown key":    func(doc map[string]any) { doc["extra"] = 1.0 },
		"unknown clock":  func(doc map[string]any) { doc["clock"] = "wall" },
		"negative time":  func(doc map[string]any) { doc["seconds"] = -1.0 },
		"HZ a string":    func(doc map[string]any) { doc["kernel"].(map[string]any)["hz"] = "250" },
		"bad ID":         func(doc map[string]any) { first(doc)["id"] = "reboot" },
		"family 5":       func(doc map[string]any) { first(doc)["family"] = 5.0 },
		"no verdict":     func(doc map[string]any) { delete(first(doc), "verdict") },
		"value a list":   func(doc map[string]any) { first(doc)["observations"] = map[string]any{"x": []any{}} },
		"null captures":  func(doc map[string]any) { first(doc)["pcapng"] = nil },
		"local time":     func(doc map[string]any) { doc["started"] = "2026-11-23T15:00:00+01:00" },
		"empty captures": func(doc map[string]any) { first(doc)["pcapng"] = []any{""} },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var doc map[string]any
			g.Expect(json.Unmarshal(data, &doc)).To(Succeed())
			spoil(doc)
			spoiled, err := json.Marshal(doc)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(validate(t, fixtures.ResultsSchema, spoiled)).NotTo(BeEmpty())
		})
	}
}

func TestJUnitSaysTheSame(t *testing.T) {
	g := NewWithT(t)
	data, err := report.JUnit(someRun(t), catalogue(t), someSpecs(t))
	g.Expect(err).NotTo(HaveOccurred())

	type outcome struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	var doc struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Skipped  int `xml:"skipped,attr"`
		Suites   []struct {
			Name       string `xml:"name,attr"`
			Properties []struct {
				Name  string `xml:"name,attr"`
				Value string `xml:"value,attr"`
			} `xml:"properties>property"`
			Cases []struct {
				Name       string `xml:"name,attr"`
				Classname  string `xml:"classname,attr"`
				Properties []struct {
					Name  string `xml:"name,attr"`
					Value string `xml:"value,attr"`
				} `xml:"properties>property"`
				Failure *outcome `xml:"failure"`
				Error   *outcome `xml:"error"`
				Skipped *outcome `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	g.Expect(xml.Unmarshal(data, &doc)).To(Succeed())
	g.Expect([]int{doc.Tests, doc.Failures, doc.Errors, doc.Skipped}).To(Equal([]int{6, 1, 1, 1}))
	g.Expect(doc.Suites).To(HaveLen(3))

	crash := doc.Suites[0]
	g.Expect(crash.Name).To(Equal("host-crash"))
	g.Expect(crash.Cases[0].Name).To(Equal("host-crash/reboot-rst IPv4 client breaks"))
	g.Expect(crash.Cases[0].Classname).To(Equal("host-crash"))
	g.Expect(crash.Cases[0].Failure).To(BeNil())
	g.Expect(fmt.Sprint(crash.Cases[0].Properties)).To(ContainSubstring("{detected_after 1.601 s} {errno ECONNRESET} {retransmissions 1}"))
	g.Expect(fmt.Sprint(crash.Properties)).To(Equal("[{kernel.release 6.18.44} {kernel.version #1 SMP} {kernel.machine x86_64} {kernel.hz 250} {clock real} {profile scaled}]"))
	g.Expect(fmt.Sprint(crash.Cases[0].Properties)).To(ContainSubstring("{level observed} {sources RFC 9293 3.5.2; "))
	g.Expect(crash.Cases[2].Failure.Message).To(Equal("Expected ETIMEDOUT to equal ECONNRESET <&>"))
	g.Expect(crash.Cases[2].Failure.Text).To(ContainSubstring("again    halfopen run host-crash/reboot-rst --family 6"))
	g.Expect(doc.Suites[1].Cases[0].Error.Message).To(ContainSubstring("no nftables"))
	g.Expect(doc.Suites[2].Cases[0].Skipped.Message).To(Equal("this kernel has no tcp_rto_max_ms (since 6.15)"))
}

func TestWriteFileReplacesAtOnceAndLeavesNothingBeside(t *testing.T) {
	g := NewWithT(t)
	dir := filepath.Join(t.TempDir(), "a", "b")
	g.Expect(report.PrepareFolder(dir)).To(Succeed())
	path := filepath.Join(dir, "results.json")
	g.Expect(report.WriteFile(path, []byte("first"))).To(Succeed())
	g.Expect(report.WriteFile(path, []byte("second"))).To(Succeed())
	g.Expect(os.ReadFile(path)).To(Equal([]byte("second")))
	info, err := os.Stat(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o644)))

	// A folder of that name is in the way of the rename.
	g.Expect(os.Mkdir(filepath.Join(dir, "junit.xml"), 0o755)).To(Succeed())
	g.Expect(report.WriteFile(filepath.Join(dir, "junit.xml"), nil)).To(MatchError(ContainSubstring("junit.xml could not be written")))
	entries, err := os.ReadDir(dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(entries).To(HaveLen(2))
}

func TestAFolderThatTakesNoResultsIsOneClearSentence(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	g.Expect(os.WriteFile(file, nil, 0o600)).To(Succeed())
	g.Expect(report.PrepareFolder(filepath.Join(file, "out"))).To(MatchError(
		fmt.Sprintf("the folder %s/out cannot take the results (not a directory): a file is in the way; choose another with --out", file)))
	g.Expect(report.WriteFile(filepath.Join(dir, "gone", "results.json"), nil)).To(MatchError(ContainSubstring("make it, or choose another with --out")))
	// /proc takes no new file from anybody, root included.
	g.Expect(report.PrepareFolder("/proc/self")).To(MatchError(MatchRegexp(`^the folder /proc/self cannot take the results \(.+\): .*choose another with --out$`)))
}
