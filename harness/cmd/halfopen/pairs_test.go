package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/matrix"
	"github.com/halfopen/halfopen/harness/report"
)

// inPairs are claims that together use all that a machine can do as a host: power and reboot, panic,
// orderly restart, hanging, and the cable.
var inPairs = []string{
	"host-crash/reboot-rst", "host-crash/panic-restart-rst", "host-crash/restart-fin", "host-crash/pause-survives", "cable/replug-data-arrives",
}

func TestTheOldestAndTheNewestKernelMeetBothWaysRound(t *testing.T) {
	g := NewWithT(t)
	bootable(t, oldest, newest)
	halfopen := command(t)
	out := filepath.Join(t.TempDir(), "out")
	args := slices.Concat([]string{"pairs", "--kernels", oldest + "," + newest, "--family", "4", "--out", out}, inPairs)
	output, err := exec.Command(halfopen, args...).CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), "%s", output)

	data, err := os.ReadFile(filepath.Join(out, matrixFile))
	g.Expect(err).NotTo(HaveOccurred())
	var m matrix.Matrix
	g.Expect(json.Unmarshal(data, &m)).To(Succeed())
	g.Expect(m.Kernels).To(HaveLen(2))
	for _, k := range m.Kernels {
		g.Expect(k.Name).To(BeElementOf("5.10>7.3", "7.3>5.10"))
		g.Expect(k.Release).To(MatchRegexp(`^(5\.10\.\S+ > 7\.3\.\S+|7\.3\.\S+ > 5\.10\.\S+)$`))
	}
	g.Expect(m.Claims).To(HaveLen(len(inPairs)))
	for _, c := range m.Claims {
		for pair, cell := range c.Cells {
			g.Expect(cell.Verdict).To(Equal(report.Pass), "%s on %s", c.ID, pair)
		}
	}
	gone(t, halfopen)
	g.Expect(emulators(t)).To(BeEmpty())
}

// The sabotage table of what only machines can prove: the first sabotage of each claim, as a machine takes
// a hundred times as long as a namespace. `halfopen pairs CLAIM --sabotage NAME` tries the others.
func TestEveryMachinesSpecFailsWhenItsBehaviourIsTakenAway(t *testing.T) {
	bootable(t, newest)
	halfopen := command(t)
	catalogue, err := claim.Load()
	if err != nil {
		t.Fatal(err)
	}
	// Two emulators each, that mostly wait.
	places := make(chan struct{}, 3)
	t.Run("table", func(t *testing.T) {
		for _, each := range catalogue.Claims() {
			if !each.Machines {
				continue
			}
			for _, sabotage := range each.Sabotage[:1] {
				t.Run(each.ID+" under "+sabotage, func(t *testing.T) {
					t.Parallel()
					places <- struct{}{}
					defer func() { <-places }()
					out := filepath.Join(t.TempDir(), "out")
					output, _ := exec.Command(halfopen, "pairs", "--kernels", newest, "--family", "4", "--sabotage", sabotage, "--out", out, each.ID).CombinedOutput()
					data, err := os.ReadFile(filepath.Join(out, matrixFile))
					var m matrix.Matrix
					if err == nil {
						err = json.Unmarshal(data, &m)
					}
					if err != nil || len(m.Claims) != 1 {
						t.Fatalf("%v\n%s", err, output)
					}
					for _, cell := range m.Claims[0].Cells {
						if cell.Verdict != report.Fail {
							t.Errorf("the verdict is %s\n%s", cell.Verdict, output)
						}
					}
				})
			}
		}
	})
}

// emulators are the machines there are that are hosts, by their processes.
func emulators(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		arguments, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(arguments), "name=halfopen.control") {
			found = append(found, filepath.Dir(file))
		}
	}
	return found
}

func TestSIGKILLLeavesNoMachineBehind(t *testing.T) {
	bootable(t, newest)
	if others := emulators(t); len(others) > 0 {
		t.Skipf("somebody else's machines are running: %v", others)
	}
	halfopen := command(t)
	run := exec.Command(halfopen, "pairs", "--kernels", newest, "--out", filepath.Join(t.TempDir(), "out"), "host-crash/reboot-rst")
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	wait := func(what string, fits func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !fits(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("after 20 s %s: %v", what, emulators(t))
			}
		}
	}
	wait("no two machines run", func() bool { return len(emulators(t)) == 2 })
	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = run.Wait()
	wait("a machine still runs", func() bool { return len(emulators(t)) == 0 })
	gone(t, halfopen)
}
