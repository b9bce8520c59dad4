package suites

import (
	"slices"
	"testing"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/runner"
	"github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/suite"
)

func TestMain(m *testing.M) { suite.Main(m) }

func load(t *testing.T) *claim.Catalogue {
	t.Helper()
	catalogue, err := claim.Load()
	if err != nil {
		t.Fatal(err)
	}
	return catalogue
}

func TestEveryClaimHasASpecOverBothFamiliesAndEverySpecAClaim(t *testing.T) {
	catalogue := load(t)
	proved := map[string][]int{}
	for _, spec := range stage.Specs() {
		if _, known := catalogue.ByID(spec.Claim); !known {
			t.Errorf("the spec %q proves %q, which is not in the catalogue", spec.Text, spec.Claim)
		}
		proved[spec.Claim] = append(proved[spec.Claim], spec.Family)
	}
	for _, each := range catalogue.Claims() {
		for _, family := range []int{4, 6} {
			if !slices.Contains(proved[each.ID], family) {
				t.Errorf("no spec proves %s over IPv%d", each.ID, family)
			}
		}
	}
}

// A spec is chosen by its text and its files are named after its claim, case and family.
func TestSpecsCanBeToldApart(t *testing.T) {
	texts, files := map[string]bool{}, map[string]bool{}
	for _, spec := range stage.Specs() {
		if texts[spec.Text] {
			t.Errorf("two specs are called %q", spec.Text)
		}
		if files[spec.FileName()] {
			t.Errorf("two specs leave a file called %q: give each a Case", spec.FileName())
		}
		texts[spec.Text], files[spec.FileName()] = true, true
	}
}

// The sabotage table: with a claim's behaviour taken away, its spec must fail, and not because the
// stage broke. One case of each claim is enough, over the family that the claim's place decides.
func TestEverySpecFailsWhenItsBehaviourIsTakenAway(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	catalogue := load(t)
	first := map[string]stage.Spec{}
	for _, spec := range stage.Specs() {
		if _, seen := first[spec.Claim]; !seen {
			first[spec.Claim] = spec
		}
	}
	var jobs []runner.Job
	for _, each := range catalogue.Claims() {
		if !each.RunsIn(string(kernel.Scaled)) {
			continue // it would take the defaults' minutes
		}
		for _, sabotage := range each.Sabotage {
			jobs = append(jobs, runner.Job{Spec: first[each.ID], Sabotage: sabotage})
		}
	}
	_, err := runner.Run(t.Context(), jobs, runner.Options{
		Profile: string(kernel.Scaled), Out: t.TempDir(), Procs: runner.DefaultProcs(),
		Decided: func(job runner.Job, result report.SpecResult) {
			t.Run(result.Claim+" under "+job.Sabotage, func(t *testing.T) {
				switch result.Verdict {
				case report.Fail:
				case report.Unsupported:
					t.Skip(result.Reason)
				default:
					t.Errorf("the verdict is %s %s", result.Verdict, result.Reason)
				}
			})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}
