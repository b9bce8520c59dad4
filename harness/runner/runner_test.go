package runner_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/runner"
	"github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/suite"

	_ "github.com/halfopen/halfopen/suites/processcrash"
)

func TestMain(m *testing.M) { suite.Main(m) }

func jobs(t *testing.T, claim string) []runner.Job {
	t.Helper()
	var found []runner.Job
	for _, spec := range stage.Specs() {
		if spec.Claim == claim {
			found = append(found, runner.Job{Spec: spec})
		}
	}
	if len(found) == 0 {
		t.Fatalf("no spec proves %s", claim)
	}
	return found
}

func TestResultsComeInTheOrderOfTheJobsAndEachIsToldOnce(t *testing.T) {
	plan := append(jobs(t, "process-crash/survivor-stays-close-wait"), jobs(t, "process-crash/survivor-close-wait")...)
	told := map[string]int{}
	results, err := runner.Run(t.Context(), plan, runner.Options{
		Profile: "scaled", Out: t.TempDir(), Procs: 8,
		Decided: func(job runner.Job, _ report.SpecResult) { told[job.Spec.Text]++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, result := range results {
		if result.Text != plan[i].Spec.Text || told[result.Text] != 1 || result.Verdict != report.Pass {
			t.Errorf("result %d is %q, %s, told %d times", i, result.Text, result.Verdict, told[result.Text])
		}
	}
}

func TestABatchGivesWhatSingleProcessesGive(t *testing.T) {
	plan := append(jobs(t, "process-crash/survivor-close-wait"), jobs(t, "process-crash/write-after-fin-succeeds")...)
	told := map[string]int{}
	results, err := runner.Run(t.Context(), plan, runner.Options{
		Profile: "scaled", Out: t.TempDir(), Procs: 2, Batch: 32,
		Started: func(job runner.Job) { told[job.Spec.Text]++ },
		Decided: func(job runner.Job, _ report.SpecResult) { told[job.Spec.Text]++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(plan) {
		t.Errorf("%d results of %d", len(results), len(plan))
	}
	for i, result := range results {
		if result.Text != plan[i].Spec.Text || told[result.Text] != 2 || result.Verdict != report.Pass {
			t.Errorf("result %d is %q, %s, told %d times", i, result.Text, result.Verdict, told[result.Text])
		}
	}
}

func TestASpecThatKillsItsProcessTakesNoOtherOfItsBatchWithIt(t *testing.T) {
	plan := jobs(t, "process-crash/survivor-close-wait")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	killed := ""
	results, err := runner.Run(ctx, plan, runner.Options{
		Profile: "scaled", Procs: 1, Batch: 32,
		Started: func(job runner.Job) {
			if killed == "" {
				killed = job.Spec.Text
				killChildren(t)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range results {
		want := report.Pass
		if result.Text == killed {
			want = report.Broken
		}
		if result.Verdict != want {
			t.Errorf("%q is %s: %s", result.Text, result.Verdict, result.Reason)
		}
	}
	if len(results) != len(plan) || killed == "" {
		t.Errorf("%d results of %d, killed %q", len(results), len(plan), killed)
	}
}

// killChildren kills the processes that this one has started.
func killChildren(t *testing.T) {
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		children, err := os.ReadFile(task)
		if err != nil {
			t.Fatal(err)
		}
		for _, child := range strings.Fields(string(children)) {
			if pid, err := strconv.Atoi(child); err == nil {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
	}
}

func TestAProcessThatEndsWithoutAResultIsBrokenWithItsLastWords(t *testing.T) {
	results, err := runner.Run(t.Context(), []runner.Job{{Spec: stage.Spec{Text: "a spec that there is not"}}},
		runner.Options{Profile: "scaled", Procs: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := results[0]; got.Verdict != report.Broken || !strings.Contains(got.Reason, "ended without a result") {
		t.Errorf("%s: %s", got.Verdict, got.Reason)
	}
}

func TestAFailureSaysTheCommandThatWasCalled(t *testing.T) {
	failing := jobs(t, "process-crash/survivor-close-wait")[:1]
	failing[0].Sabotage = "drop-fin"
	results, err := runner.Run(t.Context(), failing, runner.Options{Profile: "scaled", Procs: 1, Program: "./halfopen"})
	if err != nil {
		t.Fatal(err)
	}
	if got := results[0]; got.Verdict != report.Fail || !strings.HasPrefix(got.Rerun, "./halfopen run process-crash/survivor-close-wait --family ") {
		t.Errorf("%s: %q", got.Verdict, got.Rerun)
	}
}

func TestAProfileThatThereIsNotBreaksTheStage(t *testing.T) {
	results, err := runner.Run(t.Context(), jobs(t, "process-crash/survivor-close-wait")[:1], runner.Options{Profile: "quick", Procs: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := results[0]; got.Verdict != report.Broken || !strings.Contains(got.Reason, `"quick"`) {
		t.Errorf("%s: %s", got.Verdict, got.Reason)
	}
}

func TestWhenTheContextEndsTheSpecsUnderWayAreEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	began := time.Now()
	results, err := runner.Run(ctx, jobs(t, "process-crash/survivor-stays-close-wait"), runner.Options{
		Profile: "scaled", Procs: 8, Started: func(runner.Job) { cancel() },
	})
	if !errors.Is(err, context.Canceled) || len(results) != 0 {
		t.Errorf("%d results, %v", len(results), err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
}
