package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/report"
)

// ownRun is a run that a command needs before it can go on: `halfopen run`, as a user types it, in a process
// of its own, because the running kernel is checked in namespaces that a program enters as a whole.
type ownRun struct {
	names   []string
	kernel  string // empty: the running one
	seed    uint64
	profile string // empty: the kernel's own
	family  int    // 0: both
	out     string
}

func (r ownRun) args() []string {
	args := append([]string{"run"}, r.names...)
	if r.kernel != "" {
		args = append(args, "--kernel", r.kernel, "--seed", strconv.FormatUint(r.seed, 10))
	}
	if r.profile != "" {
		args = append(args, "--profile", r.profile)
	}
	if r.family != 0 {
		args = append(args, "--family", strconv.Itoa(r.family))
	}
	return append(args, "--out", r.out)
}

// run gives the results. What the run prints goes to standard error, for standard output is the command's.
func (r ownRun) run(ctx context.Context) (report.Run, error) {
	if err := report.PrepareFolder(r.out); err != nil {
		return report.Run{}, err
	}
	// PR_SET_PDEATHSIG is tied to the thread that forked, not to the process (prctl(2)).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	command := exec.CommandContext(ctx, "/proc/self/exe", r.args()...)
	command.Args[0] = os.Args[0]
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGTERM}
	// It writes what it has, as it does for a user.
	command.Cancel = func() error { return command.Process.Signal(unix.SIGINT) }
	command.WaitDelay = time.Minute
	fmt.Fprintf(os.Stderr, "runs: halfopen %s\n", strings.Join(r.args(), " "))
	began := time.Now()
	err := command.Run()
	if ctx.Err() != nil {
		return report.Run{}, context.Cause(ctx)
	}
	// Claims that fail or break are what is to be compared; results from before it began are not.
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return report.Run{}, fmt.Errorf("cannot run `halfopen run`: %w", err)
	}
	written, statErr := os.Stat(filepath.Join(r.out, report.ResultsFile))
	if statErr != nil || written.ModTime().Before(began) {
		return report.Run{}, fmt.Errorf("`halfopen %s` left no results; it said why", strings.Join(r.args(), " "))
	}
	return report.Load(r.out)
}
