package report_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/report"
)

// measured is the result of a claim of the table; values are observations by their whole names.
func measured(id string, family int, verdict report.Verdict, values map[string]any) report.Result {
	result := report.Result{ID: id, Family: family, Verdict: verdict, Observations: map[string]report.Value{}}
	for name, value := range values {
		unit := report.Seconds
		if _, is := value.(string); is {
			unit = report.Name
		}
		result.Observations[name] = report.Value{Value: value, Unit: unit}
	}
	return result
}

func detectionRun() report.Run {
	return report.Run{
		Schema: report.Schema, Clock: "virtual", Profile: "defaults",
		Kernel: report.Kernel{Release: "6.12.0", HZ: 250},
		Claims: []report.Result{
			measured("keepalive/off-by-default", 4, report.Pass, map[string]any{"silent_for": 3.0}),
			measured("application/detection-keepalive", 4, report.Pass, map[string]any{
				"host_off.mechanism": "TCP keepalive: 7200 s + 9 x 75 s", "host_off.detected_after": 7943.0, "host_off.told": "ETIMEDOUT",
				"process_frozen.mechanism": "TCP keepalive: 7200 s + 9 x 75 s", "process_frozen.undetected_for": 12037.0,
			}),
			measured("application/detection-keepalive", 6, report.Pass, map[string]any{
				"host_off.detected_after": 7944.0, "host_off.told": "ETIMEDOUT", "process_frozen.undetected_for": 12037.0,
			}),
			measured("application/detection-go-idle-timeout", 4, report.Pass, map[string]any{
				"host_off.mechanism": "Go's IdleTimeout: 120 s", "host_off.released_after": 120.0,
			}),
			measured("application/detection-heartbeat", 4, report.Pass, map[string]any{
				"host_off.mechanism": "heartbeat: 30 s + 10 s", "host_off.detected_after": 40.0, "host_off.told": "no answer",
			}),
			measured("application/detection-heartbeat", 6, report.Fail, map[string]any{}),
			measured("application/detection-nginx-keepalive-timeout", 4, report.Unsupported, nil),
		},
	}
}

func TestTheTableOfDetectionHasWhatTheRunMeasured(t *testing.T) {
	g := NewWithT(t)
	table, err := report.Detection(detectionRun())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(table.Run).To(Equal("Linux 6.12.0 (HZ 250), virtual clock, profile defaults"))
	cell := func(row int, fault string) report.DetectionCell {
		for i, name := range report.DetectionFaults() {
			if name == fault {
				return table.Rows[row].Cells[i]
			}
		}
		return report.DetectionCell{}
	}
	g.Expect(table.Rows).To(HaveLen(4))
	g.Expect(table.Rows[0].Mechanism).To(Equal("TCP keepalive: 7200 s + 9 x 75 s"))
	g.Expect(cell(0, report.HostOff)).To(Equal(report.DetectionCell{Noticed: true, From: 7943, To: 7944, After: "7943 to 7944 s", Told: "ETIMEDOUT"}), "both families are one cell")
	g.Expect(cell(0, report.ProcessFrozen)).To(Equal(report.DetectionCell{From: 12037, To: 12037, After: "never", Told: "watched 12037 s"}))
	g.Expect(cell(0, report.CableOut)).To(Equal(report.DetectionCell{After: "-"}), "not run")
	g.Expect(cell(1, report.HostOff)).To(Equal(report.DetectionCell{Closes: true, From: 120, To: 120, After: "never", Told: "closes after 120 s"}), "a timeout that does not notice")
	g.Expect(cell(2, report.HostOff)).To(Equal(report.DetectionCell{After: "fail"}), "one family's number does not hide the other's failure")
	g.Expect(table.Rows[3].Mechanism).To(Equal("application/detection-nginx-keepalive-timeout"), "a row that measured nothing")
	g.Expect(cell(3, report.HostOff)).To(Equal(report.DetectionCell{After: "unsupported"}))
}

func TestTheTableOfDetectionIsLaidOut(t *testing.T) {
	g := NewWithT(t)
	table, err := report.Detection(detectionRun())
	g.Expect(err).NotTo(HaveOccurred())

	lines := strings.Split(table.Text(), "\n")
	g.Expect(lines[2]).To(HavePrefix("noticed by "))
	for _, fault := range report.DetectionFaults() {
		g.Expect(lines[2]).To(ContainSubstring(fault))
	}
	column := strings.Index(lines[2], report.HostOff)
	g.Expect(lines[4]).To(HavePrefix("TCP keepalive: 7200 s + 9 x 75 s"))
	g.Expect(lines[4][column:]).To(HavePrefix("7943 to 7944 s"))
	g.Expect(lines[5][column:]).To(HavePrefix("ETIMEDOUT"))
	for _, line := range lines {
		g.Expect(line).To(Equal(strings.TrimRight(line, " ")))
	}

	g.Expect(table.Markdown()).To(ContainSubstring("| noticed by | process killed | process frozen | host off | host rebooted | cable out | path silent |\n| --- |"))
	g.Expect(table.Markdown()).To(ContainSubstring("| TCP keepalive: 7200 s + 9 x 75 s | - | never, watched 12037 s | 7943 to 7944 s, ETIMEDOUT | - | - | - |\n"))
}

func TestARunWithoutDetectionHasNoTable(t *testing.T) {
	g := NewWithT(t)
	run := detectionRun()
	run.Claims = run.Claims[:1]
	_, err := report.Detection(run)
	g.Expect(err).To(MatchError(report.ErrNoDetection))
}
