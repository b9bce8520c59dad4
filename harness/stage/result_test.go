package stage

import (
	"testing"

	"github.com/onsi/ginkgo/v2/types"

	"github.com/halfopen/halfopen/harness/report"
)

// entry is a report entry as a spec leaves it.
func entry(name string, value any) types.ReportEntry {
	return types.ReportEntry{Name: name, Value: types.WrapEntryValue(value)}
}

func TestOnlyTheKernelFailsAndNothingIsSkippedInSilence(t *testing.T) {
	for name, each := range map[string]struct {
		state   types.SpecState
		entries []types.ReportEntry
		verdict report.Verdict
	}{
		"an expectation holds":           {types.SpecStatePassed, nil, report.Pass},
		"an expectation does not hold":   {types.SpecStateFailed, nil, report.Fail},
		"the harness failed":             {types.SpecStateFailed, []types.ReportEntry{entry(brokenEntry, "no veth")}, report.Broken},
		"the kernel lacks the feature":   {types.SpecStateSkipped, []types.ReportEntry{entry(unsupportedEntry, "no such sysctl")}, report.Unsupported},
		"it was skipped for no reason":   {types.SpecStateSkipped, nil, report.Broken},
		"it is pending":                  {types.SpecStatePending, nil, report.Broken},
		"it panicked":                    {types.SpecStatePanicked, nil, report.Broken},
		"the tool took too long":         {types.SpecStateTimedout, nil, report.Broken},
		"it was interrupted":             {types.SpecStateInterrupted, nil, report.Broken},
		"an observation would have gone": {types.SpecStatePassed, []types.ReportEntry{observed("rto"), observed("rto")}, report.Broken},
	} {
		result := Result(types.SpecReport{State: each.state, ReportEntries: each.entries})
		if result.Verdict != each.verdict {
			t.Errorf("%s: the verdict is %s, not %s", name, result.Verdict, each.verdict)
		}
		if result.Verdict == report.Pass && result.Reason != "" {
			t.Errorf("%s: a pass has the reason %q", name, result.Reason)
		}
	}
}

func observed(name string) types.ReportEntry {
	return entry(observationEntry, report.Observation{Name: name, Value: 0.2, Unit: report.Seconds})
}

func TestAnIdentityIsReadFromLabelsAndNamesAFile(t *testing.T) {
	id := Identify(types.SpecReport{LeafNodeLabels: []string{"claim:host-crash.reboot-rst", "case:server breaks", "IPv6"}})
	if id != (Identity{Claim: "host-crash/reboot-rst", Case: "server breaks", Family: 6}) {
		t.Errorf("the identity is %+v", id)
	}
	if name := id.FileName(); name != "host-crash-reboot-rst-server-breaks-ipv6" {
		t.Errorf("the file is called %q", name)
	}
}
