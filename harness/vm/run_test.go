package vm

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

// builtStatic is a program that needs no loader: a Go test binary may need one.
func builtStatic(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "static")
	build := exec.Command("go", "build", "-o", path, "./testdata/nothing")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return path
}

// stalled is an emulator that says where it is and then never ends.
func stalled(t *testing.T) (qemu, pidFile string) {
	pidFile = filepath.Join(t.TempDir(), "pid")
	return fakeQEMU(t, `[ "$1" = --version ] && { echo QEMU emulator version 7.2.22; exit; }
echo 'the last words of a guest that hangs' >&3
echo $$ > `+pidFile+`.new && mv `+pidFile+`.new `+pidFile+`
exec 1>&- 2>&- sleep 1000`), pidFile
}

func TestAGuestThatHangsIsEndedByItsBudget(t *testing.T) {
	g := NewWithT(t)
	qemu, _ := stalled(t)
	config := Config{QEMU: qemu, Binary: builtStatic(t), Kernel: Kernel{Path: "/nothing", PVH: true}, Budget: 300 * time.Millisecond}
	outcome, err := Run(t.Context(), config, Watch{})
	g.Expect(err).To(MatchError(ErrBudget))
	g.Expect(err).To(MatchError(ContainSubstring("the last words of a guest that hangs")))
	g.Expect(outcome.Attempts).To(Equal(1))
}

func TestAGuestEndsWithItsContext(t *testing.T) {
	g := NewWithT(t)
	qemu, _ := stalled(t)
	ctx, cancel := context.WithCancel(t.Context())
	config := Config{QEMU: qemu, Binary: builtStatic(t), Kernel: Kernel{Path: "/nothing", PVH: true}}
	_, err := Run(ctx, config, Watch{Console: func(string) { cancel() }})
	g.Expect(err).To(MatchError(context.Canceled))
}

func scan(path string, pid *int) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	*pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	return err
}

const orphanMaker = "HALFOPEN_TEST_QEMU"

// TestMain is also the process that is killed while its guest runs.
func TestMain(m *testing.M) {
	if qemu := os.Getenv(orphanMaker); qemu != "" {
		config := Config{QEMU: qemu, Binary: os.Getenv(orphanMaker + "_BINARY"), Kernel: Kernel{Path: "/nothing", PVH: true}}
		_, err := Run(context.Background(), config, Watch{})
		panic(err)
	}
	os.Exit(m.Run())
}

func TestAGuestDiesWithItsParent(t *testing.T) {
	g := NewWithT(t)
	qemu, pidFile := stalled(t)
	parent := exec.Command("/proc/self/exe")
	parent.Env = append(os.Environ(), orphanMaker+"="+qemu, orphanMaker+"_BINARY="+builtStatic(t))
	g.Expect(parent.Start()).To(Succeed())
	var pid int
	g.Eventually(func() error { return scan(pidFile, &pid) }, "20s", "10ms").Should(Succeed())
	fd, err := unix.PidfdOpen(pid, 0)
	g.Expect(err).NotTo(HaveOccurred())
	defer unix.Close(fd)
	g.Expect(parent.Process.Kill()).To(Succeed())
	_ = parent.Wait()
	// A pidfd is readable once its process has ended.
	ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 5000)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ready).To(Equal(1), "the emulator outlived its parent")
}

// A /dev/kvm that is there and opens may still be of no use.
func TestAGuestThatTheMachinesProcessorDoesNotBootIsEmulated(t *testing.T) {
	for name, does := range map[string]string{
		"is stopped": "echo 'KVM internal error. Suberror: 1' >&2; exec sleep 1000",
		"is slow":    "exec sleep 1000",
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			qemu := fakeQEMU(t, `case "$*" in
*"-accel kvm"*) `+does+`;;
esac
echo 'qemu: emulated' >&2; exit 1`)
			config := Config{Binary: builtStatic(t), Kernel: Kernel{Path: "/nothing", PVH: true}, Clock: Real, virtualized: time.Second}.withDefaults()
			if name == "is stopped" {
				config.virtualized = time.Hour
			}
			var seeds []uint64
			watch := Watch{Attempt: func(_ int, seed uint64) { seeds = append(seeds, seed) }}
			_, err := try(t.Context(), program{path: qemu}, config, []accelerator{virtualization, emulation}, watch)
			g.Expect(err).To(MatchError(ErrNoBoot))
			g.Expect(err).To(MatchError(ContainSubstring("QEMU: qemu: emulated")))
			g.Expect(seeds).To(HaveLen(1 + attempts))
			g.Expect(hopeless.Load()).To(BeTrue())
			hopeless.Store(false)
		})
	}
}
