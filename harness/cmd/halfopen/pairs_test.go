package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/lab"
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
	g.Expect(emulators(t, out)).To(BeEmpty())
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

// emulators are the machines that are hosts of a run with that folder, by their processes: somebody else may
// have some of their own.
func emulators(t *testing.T, out string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		process := filepath.Dir(file)
		arguments, err := os.ReadFile(file)
		environment, _ := os.ReadFile(filepath.Join(process, "environ"))
		if err == nil && strings.Contains(string(arguments), "name=halfopen.control") && strings.Contains(string(environment), "="+out) {
			found = append(found, process)
		}
	}
	return found
}

// TestAPanickedKernelLeavesItsPeerTheProcessors: it spins, and on a busy machine made its peer's timers late.
func TestAPanickedKernelLeavesItsPeerTheProcessors(t *testing.T) {
	// The verdict is no matter here: it is on times, and others may have the processors.
	_, _ = meddle(t, "host-crash/panic-keepalive", func(machine string, _ int) bool {
		if !isServer(machine) {
			return true
		}
		pid, err := strconv.Atoi(filepath.Base(machine))
		if err != nil {
			t.Fatal(err)
		}
		attr, err := unix.SchedGetAttr(pid, 0)
		return err == nil && attr.Policy == unix.SCHED_IDLE
	})
}

// isServer tells whether an emulator is the server's, by its card.
func isServer(machine string) bool {
	arguments, _ := os.ReadFile(filepath.Join(machine, "cmdline"))
	return strings.Contains(string(arguments), "mac="+lab.MAC(2).String())
}

// meddle proves a claim between two machines and does something to each of them, again and again until that is done:
// the first two, and those that come after one without power. It returns what the command says, and how it ends.
func meddle(t *testing.T, claim string, do func(machine string, number int) (done bool)) (said string, err error) {
	t.Helper()
	bootable(t, newest)
	halfopen := command(t)
	out := filepath.Join(t.TempDir(), "out")
	run := exec.Command(halfopen, "pairs", "--kernels", newest, "--family", "4", "--out", out, claim)
	var output strings.Builder
	run.Stdout, run.Stderr = &output, &output
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	number, done := map[string]int{}, map[string]bool{}
	for {
		select {
		case err := <-ended:
			if len(done) == 0 || len(done) != len(number) {
				t.Errorf("it was done to %d of %d machines\n%s", len(done), len(number), output.String())
			}
			return output.String(), err
		case <-time.After(50 * time.Millisecond):
		}
		for _, machine := range emulators(t, out) {
			if number[machine] == 0 {
				number[machine] = len(number) + 1
			}
			if !done[machine] && do(machine, number[machine]) {
				done[machine] = true
			}
		}
	}
}

// A kernel may be longer in booting than the copies of a short tcp_retries2 last, which is no doing of the kernel that
// waits for it.
func TestAMachineThatIsLongInBootingIsWaitedFor(t *testing.T) {
	said, err := meddle(t, "host-crash/reboot-rst-listener", func(machine string, number int) bool {
		if number < 3 {
			return true
		}
		pid, err := strconv.Atoi(filepath.Base(machine))
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		if err := unix.Kill(pid, unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		return true
	})
	if err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// An emulator whose card gets the processor only when the guest leaves it has sent nothing yet when the guest, in an
// orderly restart, has ended its processes.
func TestTheFINsOfAnOrderlyRestartLeaveABusyMachine(t *testing.T) {
	said, err := meddle(t, "host-crash/restart-fin", func(machine string, _ int) bool {
		if !isServer(machine) {
			return true
		}
		threads, err := filepath.Glob(filepath.Join(machine, "task", "*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(threads) < 3 { // the guest's processor has no thread yet
			return false
		}
		var first unix.CPUSet
		first.Set(0)
		for _, thread := range threads {
			id, err := strconv.Atoi(filepath.Base(thread))
			if err != nil {
				t.Fatal(err)
			}
			if err := unix.SchedSetaffinity(id, &first); err != nil && !errors.Is(err, unix.ESRCH) {
				t.Fatal(err)
			}
		}
		main, err := strconv.Atoi(filepath.Base(machine))
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.SchedSetAttr(main, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
			t.Fatal(err)
		}
		return true
	})
	if err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

func TestSIGKILLLeavesNoMachineBehind(t *testing.T) {
	bootable(t, newest)
	halfopen := command(t)
	out := filepath.Join(t.TempDir(), "out")
	run := exec.Command(halfopen, "pairs", "--kernels", newest, "--out", out, "host-crash/reboot-rst")
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	wait := func(what string, fits func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !fits(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("after 20 s %s: %v", what, emulators(t, out))
			}
		}
	}
	wait("no two machines run", func() bool { return len(emulators(t, out)) == 2 })
	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = run.Wait()
	wait("a machine still runs", func() bool { return len(emulators(t, out)) == 0 })
	gone(t, halfopen)
}
