package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/image"
	"github.com/halfopen/halfopen/harness/report"
)

// The oldest and the newest kernel of the table.
const oldest, newest = "debian:5.10", "debian:7.3"

// inGuests are claims whose specs together use all that a guest has: long waits, several processes,
// crashes, the firewall, a router, forged segments, counters.
var inGuests = []string{
	"process-crash/four-way-close", "process-crash/forked-child-delays-fin", "host-crash/four-tuple-new-connection",
	"host-crash/data-abort-etimedout", "cable/own-cable-ehostunreach", "keepalive/exhausted-rst", "retransmission/abort-retries2-8",
	"open/syn-default-lifetime", "middlebox/client-data-picked-up", "reset/exact-resets",
}

// bootable fills the cache with the kernels, or skips the test where a machine has none to boot.
func bootable(t testing.TB, kernels ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("boots kernels")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip(err)
	}
	for _, name := range kernels {
		_, err := image.Pull(t.Context(), name, image.Options{})
		switch {
		case image.Unavailable(err):
			t.Skip(err)
		case err != nil:
			t.Fatal(err)
		}
	}
}

// proveInGuests runs the claims in guests of the oldest and the newest kernel and returns the folder.
func proveInGuests(t testing.TB, halfopen string) (out string) {
	t.Helper()
	out = filepath.Join(t.TempDir(), "out")
	args := slices.Concat([]string{"matrix", "--kernels", oldest + "," + newest, "--out", out}, inGuests)
	if output, err := exec.Command(halfopen, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return out
}

func TestClaimsHoldUnscaledInGuestsOfTheOldestAndTheNewestKernel(t *testing.T) {
	g := NewWithT(t)
	bootable(t, oldest, newest)
	out := proveInGuests(t, command(t))
	for _, folder := range foldersOf([]string{oldest, newest}) {
		run, err := report.Load(filepath.Join(out, folder))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(run.Complete).To(BeTrue())
		g.Expect(run.Seed).NotTo(BeZero())
		g.Expect(run.Claims).To(HaveLen(2 * len(inGuests)))
		for _, result := range run.Claims {
			g.Expect(result.Verdict).To(Equal(report.Pass), result.ID)
		}
	}
}

// What is left by two runs on the same kernel with the same seed must be the same to the byte, however
// busy the machine is: here with each other.
func TestTwoRunsInGuestsLeaveTheSameBytes(t *testing.T) {
	g := NewWithT(t)
	bootable(t, newest)
	halfopen := command(t)
	var runs [2]map[string][]byte
	var errs [2]error
	var both sync.WaitGroup
	for i := range runs {
		both.Go(func() { runs[i], errs[i] = runWithSeed(t, halfopen, 7) })
	}
	both.Wait()
	g.Expect(errors.Join(errs[:]...)).NotTo(HaveOccurred())
	g.Expect(runs[0]).To(HaveKey("results.json"))
	var differ []string
	for _, name := range slices.Sorted(maps.Keys(runs[0])) {
		if a, b := runs[0][name], runs[1][name]; !bytes.Equal(a, b) {
			at := 0
			for at < min(len(a), len(b)) && a[at] == b[at] {
				at++
			}
			differ = append(differ, fmt.Sprintf("%s: %d and %d bytes, the first that differ at %d:\n%q\n%q", name, len(a), len(b), at, around(a, at), around(b, at)))
		}
	}
	g.Expect(differ).To(BeEmpty(), strings.Join(differ, "\n"))
	g.Expect(runs[1]).To(HaveLen(len(runs[0])))
}

// around is what stands before and behind a place.
func around(content []byte, at int) []byte {
	return content[max(0, min(at, len(content))-40):min(len(content), at+40)]
}

// runWithSeed runs the claims in a guest of the newest kernel with that seed. A guest that the emulator crashes before
// it is up is booted again with another one, which the results say: then the run is made again.
func runWithSeed(t testing.TB, halfopen string, seed uint64) (map[string][]byte, error) {
	for {
		out := filepath.Join(t.TempDir(), "out")
		args := slices.Concat([]string{"run", "--kernel", newest, "--seed", strconv.FormatUint(seed, 10), "--out", out}, inGuests)
		if output, err := exec.Command(halfopen, args...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, output)
		}
		run, err := report.Load(out)
		if err != nil {
			return nil, err
		}
		if run.Seed == seed {
			return contents(t, out), nil
		}
		t.Logf("the guest came up with seed %d and not with %d, at another attempt", run.Seed, seed)
	}
}

// BenchmarkAgreement prints how many runs of the same two guests left the same bytes as the first.
func BenchmarkAgreement(b *testing.B) {
	bootable(b, oldest, newest)
	halfopen := command(b)
	var first map[string][]byte
	agree := 0
	for b.Loop() {
		out := proveInGuests(b, halfopen)
		// How long it took on the wall is the only thing that may differ.
		for _, file := range []string{"matrix.json", "matrix.html", "matrix.txt"} {
			if err := os.Remove(filepath.Join(out, file)); err != nil {
				b.Fatal(err)
			}
		}
		run := contents(b, out)
		if first == nil {
			first = run
		}
		if maps.EqualFunc(first, run, bytes.Equal) {
			agree++
		}
	}
	b.ReportMetric(float64(agree)/float64(b.N), "agree/op")
	b.ReportMetric(0, "ns/op")
}

// contents are the files below a folder.
func contents(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path)
		files[name] = content
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
