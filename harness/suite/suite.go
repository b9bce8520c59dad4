// Package suite runs a story's specs under go test and under the ginkgo command; it is all that a
// story's suite_test.go calls.
//
// Under ginkgo the specs run as Ginkgo runs specs, one after another in each of its workers. Under
// plain go test they run side by side, each in a process of its own, as `halfopen run` does it:
// specs wait far more than they work, and one after another they would take minutes.
package suite

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/runner"
	"github.com/halfopen/halfopen/harness/sandbox"
	"github.com/halfopen/halfopen/harness/spec"
	"github.com/halfopen/halfopen/harness/stage"
)

// Main is a suite's TestMain: the tests run in namespaces of their own, and the processes of the
// labs and of single specs, which are this same binary, go to their work.
func Main(m *testing.M) {
	if stage.IsSpec() {
		os.Exit(stage.RunSpec())
	}
	// A Ginkgo worker must reach its coordinator on the loopback outside.
	if err := sandbox.Enter(sandbox.Options{KeepNetwork: given(ginkgoWorkers)}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// The flags are not parsed yet when TestMain begins.
var (
	ginkgoFlag    = regexp.MustCompile(`^--?ginkgo\.`)
	ginkgoWorkers = regexp.MustCompile(`^--?ginkgo\.parallel\.total=([2-9]|\d\d+)$`)
)

func given(flag *regexp.Regexp) bool { return slices.ContainsFunc(os.Args[1:], flag.MatchString) }

// RunStory runs the specs that are linked into the test binary.
func RunStory(t *testing.T, story string) {
	if given(ginkgoFlag) {
		gomega.RegisterFailHandler(spec.Fail)
		ginkgo.RunSpecs(t, story)
		return
	}
	catalogue, err := claim.Load()
	if err != nil {
		t.Fatal(err)
	}
	var jobs []runner.Job
	for _, spec := range stage.Specs() {
		if proved, known := catalogue.ByID(spec.Claim); !known || proved.RunsIn(string(kernel.Scaled)) {
			jobs = append(jobs, runner.Job{Spec: spec})
		}
	}
	results, err := runner.Run(t.Context(), jobs, runner.Options{
		Profile: string(kernel.Scaled), Out: os.Getenv(stage.OutEnv), Batch: runner.DefaultBatch, Procs: runner.DefaultProcs(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range results {
		t.Run(result.Title(), func(t *testing.T) {
			switch result.Verdict {
			case report.Pass:
			case report.Unsupported:
				t.Skip(result.Reason)
			default:
				proved, _ := catalogue.ByID(result.Claim)
				t.Errorf("%s\n%s", result.Verdict, report.Explain(proved, result))
			}
		})
	}
}
