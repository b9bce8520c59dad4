package report_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/report"
)

func TestWhatQuantitiesBearOn(t *testing.T) {
	g := NewWithT(t)
	for name, want := range map[string]report.Bearing{
		"errno": report.OnTold, "aborted_after": report.OnDetection, "connected_after": report.OnRecovery, "expired_after": report.OnRelease,
		"syns": report.OnWire, "timer": report.OnState, "entry_timeout": report.OnRouter, "retries2": report.OnSetting,
		"window_floor": report.OnJudgement, "expected": report.OnExpectation,
	} {
		q, known := report.Lookup(name)
		g.Expect(known).To(BeTrue(), name)
		g.Expect(q.Bearing()).To(Equal(want), name)
	}
	// A list that names what there is not says nothing of what it was meant to.
	counted := map[report.Bearing]int{}
	for _, q := range report.Quantities() {
		g.Expect(report.Bearings()).To(ContainElement(q.Bearing()))
		counted[q.Bearing()]++
	}
	for _, bearing := range report.Bearings() {
		g.Expect(counted[bearing]).To(BeNumerically(">", 0), bearing)
	}
}
