package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/halfopen/halfopen/harness/report"
)

// BenchmarkRun prints what a whole run costs as its user meets it, with the static binary:
//
//	wall-s         how long the command took
//	wall/longest   that, over the longest spec's time
//	cpu-s          processor time of the command and every process it started
//	binary-MB      the size of the file
func BenchmarkRun(b *testing.B) {
	folder := b.TempDir()
	halfopen := filepath.Join(folder, "halfopen")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", halfopen, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, output)
	}
	file, err := os.Stat(halfopen)
	if err != nil {
		b.Fatal(err)
	}
	var wall, longest, cpu float64
	for b.Loop() {
		run := exec.Command(halfopen, "run", "--out", folder)
		if output, err := run.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, output)
		}
		cpu += (run.ProcessState.UserTime() + run.ProcessState.SystemTime()).Seconds()
		var results report.Run
		data, err := os.ReadFile(filepath.Join(folder, "results.json"))
		if err != nil {
			b.Fatal(err)
		}
		if err := json.Unmarshal(data, &results); err != nil {
			b.Fatal(err)
		}
		wall += results.Seconds
		slowest := 0.0
		for _, result := range results.Claims {
			slowest = max(slowest, result.Seconds)
		}
		longest += slowest
	}
	runs := float64(b.N)
	b.ReportMetric(wall/runs, "wall-s")
	b.ReportMetric(wall/longest, "wall/longest")
	b.ReportMetric(cpu/runs, "cpu-s")
	b.ReportMetric(float64(file.Size())/1e6, "binary-MB")
	b.ReportMetric(0, "ns/op") // says nothing that wall-s does not say
}
