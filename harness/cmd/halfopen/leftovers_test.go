package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// survivors are the processes that execute this file: halfopen itself, its specs, the processes on
// their hosts.
func survivors(t *testing.T, executable string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	var alive []string
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.TrimSuffix(target, " (deleted)") == executable {
			alive = append(alive, filepath.Dir(link))
		}
	}
	return alive
}

// gone waits until no process executes the file any more; the kernel needs a moment to take down
// a PID namespace whose init was killed.
func gone(t *testing.T, executable string) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Second)
	for {
		alive := survivors(t, executable)
		if len(alive) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d processes survive: %v", len(alive), alive)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A run that is killed leaves nothing behind, whenever that is: no process, and no namespace (with
// the devices in it). The user may have fewer namespaces than two killed runs make, so if they
// stayed, the last run could not set its stages.
func TestSIGKILLLeavesNothingBehind(t *testing.T) {
	halfopen := command(t)
	out := filepath.Join(filepath.Dir(halfopen), "results")
	start := func(args ...string) *exec.Cmd {
		args = append([]string{"run", "--out", out}, args...)
		if os.Geteuid() == 0 {
			return limited(t, halfopen, "max_net_namespaces", 600, args...)
		}
		return exec.Command(halfopen, args...)
	}
	for i := range 12 {
		run := start()
		if err := run.Start(); err != nil {
			t.Fatal(err)
		}
		// From before the first namespace to the middle of the run.
		time.Sleep(time.Duration(10+i*i*12) * time.Millisecond)
		if err := run.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = run.Wait()
		gone(t, halfopen)
	}
	if output, err := start("process-crash").CombinedOutput(); err != nil {
		t.Errorf("after the killed runs: %v\n%s", err, output)
	}
}

func TestCtrlCEndsInTwoSecondsAndWritesTheResultsSoFar(t *testing.T) {
	halfopen := command(t)
	out := filepath.Join(filepath.Dir(halfopen), "results")
	run := asOrdinaryUser(exec.Command(halfopen, "run", "--out", out))
	var complaints strings.Builder
	run.Stderr = &complaints
	stdout, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "pass") {
	}
	interrupted := time.Now()
	if err := run.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // what it still says, until it ends
	}
	_ = run.Wait()
	if took := time.Since(interrupted); took > 2*time.Second {
		t.Errorf("it took %s to end", took)
	}
	if code := run.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("the exit code is %d, not %d", code, exitInterrupted)
	}
	if complaint := complaints.String(); complaint != "halfopen: interrupted; the results so far are written\n" {
		t.Errorf("it complains\n%s", complaint)
	}
	results, err := os.ReadFile(filepath.Join(out, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"complete": false`, `"verdict": "pass"`} {
		if !strings.Contains(string(results), part) {
			t.Errorf("results.json has no %s", part)
		}
	}
	gone(t, halfopen)
}
