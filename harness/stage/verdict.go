package stage

import (
	"errors"

	. "github.com/onsi/ginkgo/v2"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/report"
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
	GinkgoHelper()
	if err != nil {
		broken(err)
	}
}

// broken ends the spec without a verdict on the kernel.
func broken(err error) {
	GinkgoHelper()
	AddReportEntry(brokenEntry, err.Error(), ReportEntryVisibilityNever)
	Fail("the stage could not be set: " + err.Error())
}

// unsupported ends the spec because this kernel has no such feature.
func unsupported(sentence string) {
	GinkgoHelper()
	AddReportEntry(unsupportedEntry, sentence, ReportEntryVisibilityNever)
	Skip(sentence)
}

// requireFeature holds the claim's feature against the running kernel.
func (s *scene) requireFeature(on *Host) {
	GinkgoHelper()
	if s.claim.Feature == "" {
		return
	}
	feature, err := kernel.FeatureNamed(s.claim.Feature)
	mustStage(err)
	err = on.lab.Do(func() error { return kernel.Check(feature, s.running) })
	var absent *kernel.Unsupported
	var missing *kernel.Missing
	switch {
	case errors.As(err, &absent):
		unsupported(absent.Error())
	case errors.As(err, &missing):
		Fail(missing.Error())
	}
	mustStage(err)
}

// Observe records what the spec measured, under a name of the registry in package report.
func Observe(name string, value any) {
	GinkgoHelper()
	observation, err := report.Observe(name, value)
	mustStage(err)
	AddReportEntry(observationEntry, observation, ReportEntryVisibilityNever)
}
