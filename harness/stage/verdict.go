package stage

import (
	"errors"
	"fmt"
	"slices"

	. "github.com/onsi/ginkgo/v2"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/spec"
)

// Names of the report entries that carry a spec's result through Ginkgo's report.
const (
	brokenEntry      = "halfopen: broken"
	unsupportedEntry = "halfopen: unsupported"
	observationEntry = "halfopen: observation"
	pcapngEntry      = "halfopen: pcapng"
	evidenceEntry    = "what was seen"
)

// mustStage breaks the spec if the stage could not be set or the tool failed.
func mustStage(err error) {
	if err != nil {
		broken(err)
	}
}

// broken ends the spec without a verdict on the kernel.
func broken(err error) {
	AddReportEntry(brokenEntry, err.Error(), ReportEntryVisibilityNever)
	spec.Fail("the stage could not be set: " + err.Error())
}

// unsupported ends the spec because this kernel has no such feature.
func unsupported(sentence string) {
	AddReportEntry(unsupportedEntry, sentence, ReportEntryVisibilityNever)
	Skip(sentence)
}

// requireFeatures holds the claim's feature, and IPv6 for a spec over it, against the running kernel.
func (s *scene) requireFeatures(on *Host) {
	if s.claim.Feature != "" {
		requireFeature(on.lab.Check(s.claim.Feature))
	}
	if s.identity.Family == 6 {
		requireFeature(on.lab.Check("ipv6"))
	}
}

// mustStageWith is mustStage for what needs features of the kernel that a configuration can leave
// out: without one of them the spec is unsupported, by the feature's name.
func (s *scene) mustStageWith(err error, features ...string) {
	if err == nil {
		return
	}
	for _, feature := range features {
		requireFeature(s.check(feature))
	}
	broken(err)
}

// check holds a feature against the kernel's release, in the namespace of the calling thread.
func (s *scene) check(name string) error {
	feature, err := kernel.FeatureNamed(name)
	if err != nil {
		return err
	}
	return kernel.Check(feature, s.running)
}

// requireFeature ends the spec if a check found that the kernel lacks a feature: as unsupported
// where it may lack it, as failed where its release has it.
func requireFeature(err error) {
	var absent *kernel.Unsupported
	var missing *kernel.Missing
	switch {
	case errors.As(err, &absent):
		unsupported(absent.Error())
	case errors.As(err, &missing):
		spec.Fail(missing.Error())
	}
	mustStage(err)
}

// Expected is the name of what the running release is documented to do, of a claim whose releases
// differ (Expects in the catalogue), and is recorded with the spec's observations.
func Expected() string {
	proved, err := claimOf(Identify(CurrentSpecReport()).Claim)
	mustStage(err)
	running, err := kernel.Running()
	mustStage(err)
	expected, differ := proved.ExpectedOf(int(running.Parsed[0]), int(running.Parsed[1]))
	if !differ {
		broken(fmt.Errorf("the catalogue has no expectations per release of %s", proved.ID))
	}
	if environment().sabotage == "other-release" {
		i := slices.Index(proved.Expects, expected)
		expected = proved.Expects[(i+1)%len(proved.Expects)]
	}
	Observe("expected", expected.Name)
	return expected.Name
}

// Observe records what the spec measured, under a name of the registry in package report.
func Observe(name string, value any) {
	observation, err := report.Observe(name, value)
	mustStage(err)
	AddReportEntry(observationEntry, observation, ReportEntryVisibilityNever)
}
