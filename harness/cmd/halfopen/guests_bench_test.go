package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// guestCost is what `halfopen run --trace` says of its guests, in seconds.
type guestCost struct{ guests, bootCPU, boot, cpu, lasted, wall, specs float64 }

var (
	saidCost  = regexp.MustCompile(`\| (\d+) guests, \d+ booted: up after ([\d.]+) s of processor time \(([\d.]+) s guest\), in all ([\d.]+) s of processor time, [\d.]+ s wall, ([\d.]+) s guest`)
	saidSpecs = regexp.MustCompile(`claims by (\d+) specs`)
)

// costOf runs the claims on a kernel.
func costOf(b *testing.B, halfopen, kernel string, claims ...string) guestCost {
	b.Helper()
	began := time.Now()
	args := append([]string{"run", "--kernel", kernel, "--trace", "--out", filepath.Join(b.TempDir(), "out")}, claims...)
	output, err := exec.Command(halfopen, args...).CombinedOutput()
	cost := guestCost{wall: time.Since(began).Seconds()}
	said, specs := saidCost.FindSubmatch(output), saidSpecs.FindSubmatch(output)
	if err != nil || said == nil || specs == nil {
		b.Fatalf("%v\n%s", err, output)
	}
	for i, into := range []*float64{&cost.guests, &cost.bootCPU, &cost.boot, &cost.cpu, &cost.lasted} {
		if *into, err = strconv.ParseFloat(string(said[i+1]), 64); err != nil {
			b.Fatal(err)
		}
	}
	cost.specs, _ = strconv.ParseFloat(string(specs[1]), 64)
	return cost
}

// warm has a guest of each kernel be kept, as it is from the second run on.
func warm(b *testing.B, kernels ...string) (halfopen string) {
	b.Helper()
	bootable(b, kernels...)
	halfopen = command(b)
	for _, kernel := range kernels {
		costOf(b, halfopen, kernel, "reset/close-wait-epipe", "--family", "4")
	}
	return halfopen
}

// BenchmarkIdle prints for how long a guest idles in a second: a connection with nothing to say over a
// day, without the boot.
//
//	idle-x  seconds of the guest's clock for a second of processor time
func BenchmarkIdle(b *testing.B) {
	halfopen := warm(b, newest)
	var lasted, cpu float64
	for b.Loop() {
		cost := costOf(b, halfopen, newest, "host-crash/idle-one-day", "--family", "4")
		lasted += cost.lasted - cost.boot
		cpu += cost.cpu - cost.bootCPU
	}
	b.ReportMetric(lasted/cpu, "idle-x")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkSpecs prints what more and more specs on one kernel cost, and the kernel's whole catalogue
// last:
//
//	specs       how many
//	wall-s      how long the command took
//	up-cpu-s    the processor time of a guest until its job begins
//	spec-cpu-s  the processor time of a spec, without that
//	virtual-x   seconds of the guests' clocks for a second on the wall
func BenchmarkSpecs(b *testing.B) {
	halfopen := warm(b, newest)
	for _, stories := range []string{"process-crash", "process-crash open", "process-crash open close reset", ""} {
		b.Run(strings.ReplaceAll(stories, " ", "+"), func(b *testing.B) {
			for b.Loop() {
				cost := costOf(b, halfopen, newest, strings.Fields(stories)...)
				b.ReportMetric(cost.specs, "specs")
				b.ReportMetric(cost.wall, "wall-s")
				b.ReportMetric(cost.bootCPU/cost.guests, "up-cpu-s")
				b.ReportMetric((cost.cpu-cost.bootCPU)/cost.specs, "spec-cpu-s")
				b.ReportMetric(cost.lasted/cost.wall, "virtual-x")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkKernels prints what more and more kernels cost, a story on each:
//
//	wall-s       how long the command took
//	kernel-s     that, for a kernel and a processor
func BenchmarkKernels(b *testing.B) {
	kernels := []string{"debian:5.10", "debian:6.1", "debian:6.12", "debian:6.16", "debian:6.17", "debian:6.18", "debian:7.2", "debian:7.3"}
	halfopen := warm(b, kernels...)
	for _, n := range []int{2, 4, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				began := time.Now()
				out := filepath.Join(b.TempDir(), "out")
				if output, err := exec.Command(halfopen, "matrix", "--kernels", strings.Join(kernels[:n], ","), "--out", out, "process-crash").CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, output)
				}
				took := time.Since(began).Seconds()
				b.ReportMetric(took, "wall-s")
				b.ReportMetric(took/float64(n)*float64(runtime.NumCPU()), "kernel-s")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
