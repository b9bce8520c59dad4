package stage

import (
	"slices"
	"testing"

	"github.com/halfopen/halfopen/harness/report"
)

func TestTheTableOfDetectionHasAColumnForEachFault(t *testing.T) {
	var faults []string
	for _, fault := range Faults() {
		faults = append(faults, string(fault))
	}
	columns := report.DetectionFaults()
	slices.Sort(faults)
	slices.Sort(columns)
	if !slices.Equal(faults, columns) {
		t.Errorf("the faults are %v and the columns %v", faults, columns)
	}
}

func TestNginxHasTheDirectivesThatASpecGivesAndNoOthers(t *testing.T) {
	for _, each := range []struct {
		timeouts Nginx
		want     string
	}{
		{Nginx{}, ""},
		{Nginx{Keepalive: 2e9}, "keepalive_timeout 2000ms;\n"},
		{Nginx{Keepalive: 1e9, Header: 15e8}, "keepalive_timeout 1000ms;\nclient_header_timeout 1500ms;\n"},
	} {
		if got := each.timeouts.directives(); got != each.want {
			t.Errorf("%+v gives %q, not %q", each.timeouts, got, each.want)
		}
	}
}
