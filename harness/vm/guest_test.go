package vm

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/image"
)

// The tests of this file boot a real kernel in the real emulator.

// bootable is a guest whose PID 1 is testdata/guest.
func bootable(t testing.TB, job string) Config {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a kernel: some seconds")
	}
	if _, err := findQEMU(""); err != nil {
		t.Skip(err)
	}
	boot, err := image.Pull(t.Context(), "debian:6.1", image.Options{})
	if image.Unavailable(err) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "guest")
	build := exec.Command("go", "build", "-o", program, "./testdata/guest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	config := Config{
		Kernel: Kernel{Path: boot.Kernel, PVH: boot.PVH, BzImage: boot.BzImage},
		Binary: program, Job: []byte(job), Seed: 1, Budget: 5 * time.Minute,
	}
	for _, module := range boot.Load("virtio_mmio", "virtio_pci", "virtio_console") {
		config.Kernel.Modules = append(config.Kernel.Modules, module.Path)
	}
	return config
}

// collect is a watch that keeps what the job says.
func collect(said *[]string) Watch {
	return Watch{Message: func(message []byte) error {
		*said = append(*said, string(message))
		return nil
	}}
}

// untroubled is a watch of a guest whose kernel must not complain.
func untroubled(t *testing.T, said *[]string) Watch {
	watch := collect(said)
	watch.Trouble = func(line string) { t.Error(line) }
	return watch
}

func TestTwoRunsOfAGuestAreTheSame(t *testing.T) {
	g := NewWithT(t)
	config := bootable(t, "say")
	run := func() (said []string, outcome Outcome) {
		outcome, err := Run(t.Context(), config, untroubled(t, &said))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(outcome.Code).To(Equal(3), "the job's exit code")
		return said, outcome
	}
	first, outcome := run()
	second, again := run()
	g.Expect(first).To(HaveLen(1))
	g.Expect(second).To(Equal(first))
	g.Expect(again.Up).To(Equal(outcome.Up), "to the nanosecond")
	g.Expect(again.Lasted).To(Equal(outcome.Lasted), "to the nanosecond")
	g.Expect(outcome.Lasted - outcome.Up).To(BeNumerically(">", time.Hour))
	g.Expect(outcome.Wall).To(BeNumerically("<", time.Hour/4))

	config.Seed = 2
	other, _ := run()
	g.Expect(other).NotTo(Equal(first), "another seed, another guest")
}

func TestAGuestGoesOnFromWhereItWasUpBefore(t *testing.T) {
	g := NewWithT(t)
	config := bootable(t, "say")
	config.Snapshots = filepath.Join(t.TempDir(), "snapshots")
	run := func(config Config) (said []string, outcome Outcome) {
		t.Helper()
		outcome, err := Run(t.Context(), config, untroubled(t, &said))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(outcome.Code).To(Equal(3), "the job's exit code")
		return said, outcome
	}
	first, booted := run(config)
	g.Expect(booted.Booted).To(BeTrue())
	kept, err := filepath.Glob(filepath.Join(config.Snapshots, "*"+snapshotExt))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(kept).To(HaveLen(1))

	same := func(said []string, outcome Outcome) {
		t.Helper()
		g.Expect(said).To(Equal(first))
		g.Expect(outcome.Up).To(Equal(booted.Up), "to the nanosecond")
		g.Expect(outcome.Lasted).To(Equal(booted.Lasted), "to the nanosecond")
	}
	second, outcome := run(config)
	same(second, outcome)
	g.Expect(outcome.Booted).To(BeFalse())
	g.Expect(outcome.UpCPU).To(BeNumerically("<", booted.UpCPU/2))

	// One that the disk has damaged is made anew, and to the byte.
	before, err := os.ReadFile(kept[0])
	g.Expect(err).NotTo(HaveOccurred())
	damaged := slices.Clone(before)
	damaged[64<<20] ^= 1
	g.Expect(os.WriteFile(kept[0], damaged, 0o600)).To(Succeed())
	third, outcome := run(config)
	same(third, outcome)
	g.Expect(outcome.Booted).To(BeTrue())
	after, err := os.ReadFile(kept[0])
	g.Expect(err).NotTo(HaveOccurred())
	memory := config.withDefaults().Memory << 20
	g.Expect(slices.Equal(after[:memory], before[:memory])).To(BeTrue())

	config.Seed = 2
	other, outcome := run(config)
	g.Expect(outcome.Booted).To(BeTrue(), "another seed, another guest")
	g.Expect(other).NotTo(Equal(first))
	config.Seed = 1
	config.Job = []byte("panic")
	var said []string
	outcome, err = Run(t.Context(), config, collect(&said))
	g.Expect(err).To(MatchError(ErrPanic))
	g.Expect(said).To(Equal([]string{"before"}), "another job, the same guest")
	g.Expect(outcome.Booted).To(BeFalse())
}

// An emulator may lack a device, or a kernel what the guest needs to stop itself.
func TestAGuestThatCannotGoOnBootsEachTime(t *testing.T) {
	instead := func(of string) string {
		return `for word; do shift; [ "$word" = pvpanic-pci ] && word=` + of + `; set -- "$@" "$word"; done`
	}
	for name, lacks := range map[string]string{
		"the emulator has no such device":    instead("no-such-device"),
		"the guest finds no such device":     instead("pci-testdev"),
		"the emulator cannot save the guest": fmt.Sprintf("exec %d>&-", devicesFD),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			config := bootable(t, "say")
			config.Snapshots = t.TempDir()
			real, err := findQEMU("")
			g.Expect(err).NotTo(HaveOccurred())
			config.QEMU = fakeQEMU(t, lacks+"; exec "+real.path+` "$@"`)
			var said []string
			outcome, err := Run(t.Context(), config, untroubled(t, &said))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(outcome.Code).To(Equal(3))
			g.Expect(outcome.Attempts).To(Equal(1), "it is not the guest's fault")
			g.Expect(outcome.Booted).To(BeTrue())
			known := 0
			bootsAlways.Range(func(any, any) bool { known++; return true })
			g.Expect(known).To(Equal(1), "the next that is alike need not try")
			bootsAlways.Clear()
			g.Expect(filepath.Glob(filepath.Join(config.Snapshots, "*"+snapshotExt))).To(BeEmpty())
		})
	}
}

func TestAKernelWithoutVirtioSpeaksOverTheSerialPort(t *testing.T) {
	g := NewWithT(t)
	config := bootable(t, "say")
	config.Kernel.Modules = nil
	var said []string
	outcome, err := Run(t.Context(), config, collect(&said))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(outcome.Code).To(Equal(3))
	g.Expect(said).To(HaveLen(1))
}

func TestAKernelWithoutADirectBootStartsFromFirmware(t *testing.T) {
	g := NewWithT(t)
	config := bootable(t, "say")
	if config.Kernel.BzImage == "" {
		t.Skip("this kernel has no bzImage")
	}
	config.Kernel.PVH = false
	var said []string
	outcome, err := Run(t.Context(), config, untroubled(t, &said))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(outcome.Code).To(Equal(3))
	g.Expect(said).To(HaveLen(1))
}

func TestOnTheRealClockAGuestTakesItsTime(t *testing.T) {
	g := NewWithT(t)
	config := bootable(t, "hang")
	config.Clock = Real
	began := false
	_, err := Run(t.Context(), config, Watch{Up: func() { began = true }, Message: func([]byte) error { return errEnough }})
	g.Expect(err).To(MatchError(errEnough))
	g.Expect(began).To(BeTrue())
}

var errEnough = errors.New("enough was heard")

func TestAGuestEndsAsItDoes(t *testing.T) {
	for job, expected := range map[string]struct {
		err    error
		append string
		budget time.Duration
	}{
		"panic": {err: ErrPanic},
		"leave": {err: ErrPanic}, // PID 1 must not exit
		"hang":  {err: ErrBudget, budget: 30 * time.Second},
		"eat":   {err: ErrMemory},
		// Before PID 1 is up.
		"say": {err: ErrNoBoot, append: "init=/nothing rdinit=/nothing"},
	} {
		t.Run(job, func(t *testing.T) {
			g := NewWithT(t)
			config := bootable(t, job)
			config.Append = expected.append
			config.Snapshots = t.TempDir()
			if expected.budget > 0 {
				config.Budget = expected.budget
			}
			var said []string
			outcome, err := Run(t.Context(), config, collect(&said))
			g.Expect(err).To(MatchError(expected.err))
			if expected.err == ErrNoBoot {
				g.Expect(outcome.Attempts).To(Equal(attempts))
			} else {
				g.Expect(outcome.Attempts).To(Equal(1), "what said it is up is not started again")
			}
			if slices.Contains([]string{"panic", "hang"}, job) {
				g.Expect(said).To(Equal([]string{"before"}), "what was said before is not lost")
			}
			t.Log(err)
		})
	}
}

// BenchmarkGuest prints what a guest costs:
//
//	boot-cpu-s  the emulator's processor time until PID 1 is up
//	keep-cpu-s  the same of a guest that is kept: it boots, stops, and goes on
//	up-cpu-s    the same of a guest that goes on from there
//	idle-x      seconds of the guest's clock for a second of processor time, while it idles an hour
func BenchmarkGuest(b *testing.B) {
	config := bootable(b, "say")
	run := func(config Config) Outcome {
		outcome, err := Run(b.Context(), config, Watch{})
		if err != nil {
			b.Fatal(err)
		}
		return outcome
	}
	kept := config
	var boot, keep, up, idle, slept float64
	for b.Loop() {
		outcome := run(config)
		boot += outcome.UpCPU.Seconds()
		idle += (outcome.CPU - outcome.UpCPU).Seconds()
		slept += (outcome.Lasted - outcome.Up).Seconds()
		kept.Snapshots = b.TempDir()
		keep += run(kept).UpCPU.Seconds()
		up += run(kept).UpCPU.Seconds()
	}
	b.ReportMetric(boot/float64(b.N), "boot-cpu-s")
	b.ReportMetric(keep/float64(b.N), "keep-cpu-s")
	b.ReportMetric(up/float64(b.N), "up-cpu-s")
	b.ReportMetric(slept/idle, "idle-x")
	b.ReportMetric(0, "ns/op") // says nothing that the four do not say
}
