package baseline_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"testing/fstest"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/fixtures"
	"github.com/halfopen/halfopen/harness/baseline"
	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/internal/jsonschema"
	"github.com/halfopen/halfopen/harness/report"
)

func catalogue(t *testing.T) *claim.Catalogue {
	t.Helper()
	c, err := claim.Load()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c
}

func value(v any, unit string) report.Value { return report.Value{Value: v, Unit: unit} }

func someRun() report.Run {
	return report.Run{
		Halfopen: "v1.2.3", Kernel: report.Kernel{
			Name: "debian:6.12", Release: "6.12.1-amd64", Version: "#1", Machine: "x86_64", HZ: 250,
			Sysctls: map[string]string{"net.ipv4.tcp_retries2": "15"},
		},
		Clock: "virtual", Seed: 7, Profile: "defaults", Started: "2026-11-23T15:00:00Z", Seconds: 21, Complete: true,
		Claims: []report.Result{
			{ID: "keepalive/exhausted-etimedout", Family: 4, Verdict: report.Pass, Seconds: 7900, Pcapng: []string{"a.pcapng"},
				Observations: map[string]report.Value{"errno": value("ETIMEDOUT", ""), "detected_after": value(7926.1, "s"), "probes": value(9, "1")}},
			{ID: "retransmission/rto-max-sysctl-ladder", Family: 6, Verdict: report.Unsupported, Reason: "it has no <x> & y",
				Observations: map[string]report.Value{}, Pcapng: []string{}},
		},
	}
}

func TestABaselineKeepsWhatTheRunMade(t *testing.T) {
	g := NewWithT(t)
	made, err := baseline.Of(catalogue(t), someRun())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(made.Name).To(Equal("debian-6.12"))
	g.Expect(made.Reproduce).To(Equal("halfopen run keepalive/exhausted-etimedout retransmission/rto-max-sysctl-ladder --kernel debian:6.12 --seed 7 --profile defaults"))

	written, err := made.JSON()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(jsonschema.Refused(fixtures.BaselineSchema, written)).To(BeEmpty())
	g.Expect(string(written)).To(HaveSuffix(`
  "profile": "defaults",
  "claims": [
    {"id":"keepalive/exhausted-etimedout","family":4,"verdict":"pass","observations":{"detected_after":{"value":7926.1,"unit":"s"},"errno":{"value":"ETIMEDOUT","unit":""},"probes":{"value":9,"unit":"1"}}},
    {"id":"retransmission/rto-max-sysctl-ladder","family":6,"verdict":"unsupported","observations":{},"reason":"it has no <x> & y"}
  ]
}
`))
	g.Expect(string(written)).NotTo(ContainSubstring("2026"))

	read, ok := baseline.Parse(written)
	g.Expect(ok).To(BeTrue())
	again, err := read.JSON()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(Equal(written))
	g.Expect(read.Run().Claims[0].Observations).To(HaveKeyWithValue("detected_after", value(7926.1, "s")))
}

// Another run of the same kernel with another date and another order of keys is the same baseline.
func TestTheSameRunMakesTheSameBytes(t *testing.T) {
	g := NewWithT(t)
	first, err := baseline.Of(catalogue(t), someRun())
	g.Expect(err).NotTo(HaveOccurred())
	want, err := first.JSON()
	g.Expect(err).NotTo(HaveOccurred())
	later := someRun()
	later.Started, later.Seconds, later.Halfopen = "2027-01-01T00:00:00Z", 40, "v1.3.0"
	later.Claims[0].Seconds = 8000
	encoded, err := later.JSON()
	g.Expect(err).NotTo(HaveOccurred())
	for range 5 {
		var run report.Run
		g.Expect(json.Unmarshal(encoded, &run)).To(Succeed())
		second, err := baseline.Of(catalogue(t), run)
		g.Expect(err).NotTo(HaveOccurred())
		got, err := second.JSON()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(bytes.Equal(got, want)).To(BeTrue())
	}
}

func TestARunThatSaysTooLittleMakesNoBaseline(t *testing.T) {
	for says, spoil := range map[string]func(*report.Run){
		"it was interrupted":         func(r *report.Run) { r.Complete = false },
		"under the sabotage no-kill": func(r *report.Run) { r.Sabotage = "no-kill" },
		"nothing was decided":        func(r *report.Run) { r.Claims = nil },
	} {
		run := someRun()
		spoil(&run)
		_, err := baseline.Of(catalogue(t), run)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(says)))
	}
}

func TestARunIsNamedByItsCommand(t *testing.T) {
	g := NewWithT(t)
	c := catalogue(t)
	run := report.Run{Profile: "scaled", Family: 4, Clock: "real", Kernel: report.Kernel{Release: "6.18.44"}}
	for _, each := range c.ByStory("open") {
		if each.RunsIn("scaled") {
			run.Claims = append(run.Claims, report.Result{ID: each.ID})
		}
	}
	run.Claims = append(run.Claims, report.Result{ID: "keepalive/off-by-default"})
	g.Expect(baseline.Reproduce(c, run)).To(Equal("halfopen run keepalive/off-by-default open --profile scaled --family 4"))

	run.Claims, run.Family = nil, 0
	for _, each := range c.Claims() {
		run.Claims = append(run.Claims, report.Result{ID: each.ID})
	}
	run.Kernel.Name, run.Seed = "installed", 1
	g.Expect(baseline.Reproduce(c, run)).To(Equal("halfopen run --kernel installed --seed 1 --clock real --profile scaled"))
}

func TestAShelfFindsABaselineByAnyOfItsNames(t *testing.T) {
	g := NewWithT(t)
	made, err := baseline.Of(catalogue(t), someRun())
	g.Expect(err).NotTo(HaveOccurred())
	written, err := made.JSON()
	g.Expect(err).NotTo(HaveOccurred())
	shelf := baseline.In(fstest.MapFS{
		"debian-6.12.json": {Data: written}, "debian-5.10.json": {Data: written}, "debian-6.1.json": {Data: []byte("{}")},
		"README.md": {Data: []byte("#")}, "vmlinuz-mine.json": {Data: written},
	})
	g.Expect(shelf.Names()).To(Equal([]string{"vmlinuz-mine", "debian-5.10", "debian-6.1", "debian-6.12"}), "the oldest first")
	for _, name := range []string{"debian-6.12", "debian:6.12", "6.12"} {
		got, found, err := shelf.Named(name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(found).To(BeTrue(), name)
		g.Expect(got.Kernel.Release).To(Equal("6.12.1-amd64"))
	}
	for _, name := range []string{"debian:7.3", "README.md", "../debian-6.12", "./6.12", ""} {
		_, found, err := shelf.Named(name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(found).To(BeFalse(), name)
	}
	_, _, err = shelf.Named("6.1")
	g.Expect(err).To(MatchError("the baseline debian-6.1 is none (halfopen.baseline/v1)"))
}

// What the program carries must be what it reads.
func TestTheEmbeddedBaselinesKeepTheirSchema(t *testing.T) {
	g := NewWithT(t)
	all, err := baseline.Embedded().All()
	g.Expect(err).NotTo(HaveOccurred())
	for i, name := range baseline.Embedded().Names() {
		data, err := os.ReadFile("../../fixtures/baselines/" + name + ".json")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(jsonschema.Refused(fixtures.BaselineSchema, data)).To(BeEmpty(), name)
		g.Expect(all[i].Name).To(Equal(name))
		again, err := all[i].JSON()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(bytes.Equal(again, data)).To(BeTrue(), "%s is written as the command writes it", name)
	}
}

// A spec records the same names on every kernel that passes it, so that kernels can be compared; where there is
// nothing to time, there is no time.
func TestKernelsObserveTheSame(t *testing.T) {
	g := NewWithT(t)
	leftOut := map[string]string{"reset/paws-old-ack": "answer_after"} // kernels since 6.14 do not answer
	all, err := baseline.Embedded().All()
	g.Expect(err).NotTo(HaveOccurred())
	type spec struct {
		id     string
		family int
	}
	first := map[spec]map[string]report.Value{}
	names := func(observations map[string]report.Value, id string) (found []string) {
		for name := range observations {
			if name != leftOut[id] {
				found = append(found, name)
			}
		}
		slices.Sort(found)
		return found
	}
	for _, kernel := range all {
		for _, verdict := range kernel.Claims {
			key := spec{verdict.ID, verdict.Family}
			switch before, seen := first[key]; {
			case verdict.Verdict != report.Pass:
			case !seen:
				first[key] = verdict.Observations
			default:
				g.Expect(names(verdict.Observations, key.id)).To(Equal(names(before, key.id)), "%s over IPv%d on %s", key.id, key.family, kernel.Name)
			}
		}
	}
	g.Expect(len(first)).To(BeNumerically(">", 500))
}
