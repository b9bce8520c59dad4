package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/halfopen/halfopen/harness/baseline"
	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/explain"
	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/stage"
)

type explainCommand struct {
	Claim string `arg:"" help:"The claim."`
}

// Run tells all that is known of a claim; nothing is run.
func (c *explainCommand) Run() error {
	catalogue, chosen, err := choose([]string{c.Claim}, 0)
	if err != nil {
		return err
	}
	if len(chosen) != 1 || chosen[0].ID != c.Claim {
		return fmt.Errorf("%s is a story of %d claims, not a claim: `halfopen claims %s` lists them", c.Claim, len(chosen), c.Claim)
	}
	kernels, err := baseline.Embedded().All()
	if err != nil {
		return err
	}
	told, err := explain.Of(catalogue, chosen[0], specsOf(chosen[0]), kernels)
	if err != nil {
		return err
	}
	tty, width, _ := report.Terminal(os.Stdout)
	columns := 0
	if tty {
		columns = width()
	}
	fmt.Print(told.Text(columns))
	return nil
}

// specsOf are the specs that prove a claim, those over both families as one.
func specsOf(proved claim.Claim) []explain.Spec {
	var specs []explain.Spec
	for _, s := range stage.Specs() {
		if s.Claim != proved.ID {
			continue
		}
		text := strings.TrimPrefix(s.Text, fmt.Sprintf("%s over IPv%d ", proved.Story, s.Family))
		at := slices.IndexFunc(specs, func(other explain.Spec) bool { return other.Text == text && other.Case == s.Case })
		if at < 0 {
			specs = append(specs, explain.Spec{Text: text, Case: s.Case})
			at = len(specs) - 1
		}
		specs[at].Families = append(specs[at].Families, s.Family)
	}
	return specs
}
