package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/halfopen/halfopen/harness/baseline"
	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/report"
)

type baselineCommand struct {
	Results []string `arg:"" optional:"" name:"results" help:"Runs: a results.json, the folder of a run, or one of several such folders; halfopen-results if none is named."`
	Out     string   `default:"fixtures/baselines" type:"path" help:"The folder for the baselines."`
}

// Run writes what runs observed as baselines; nothing is run.
func (c *baselineCommand) Run() error {
	catalogue, err := claim.Load()
	if err != nil {
		return err
	}
	if len(c.Results) == 0 {
		c.Results = []string{"halfopen-results"}
	}
	made, err := makeBaselines(catalogue, c.Results)
	if err != nil {
		return err
	}
	if err := report.PrepareFolder(c.Out); err != nil {
		return err
	}
	for _, each := range made {
		if err := c.keep(each); err != nil {
			return err
		}
	}
	return nil
}

// makeBaselines makes a baseline of each run; each kernel may have one.
func makeBaselines(catalogue *claim.Catalogue, results []string) ([]baseline.Baseline, error) {
	var all []baseline.Baseline
	from := map[string]string{}
	for _, path := range results {
		files, err := report.Find(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			run, err := report.Load(file)
			if err != nil {
				return nil, err
			}
			made, err := baseline.Of(catalogue, run)
			if err != nil {
				return nil, fmt.Errorf("no baseline can be made of %s: %w", file, err)
			}
			if first, twice := from[made.Name]; twice {
				return nil, fmt.Errorf("%s and %s are both of %s: name one of them", first, file, made.Name)
			}
			from[made.Name] = file
			all = append(all, made)
		}
	}
	return all, nil
}

// keep writes a baseline and says what it replaces.
func (c *baselineCommand) keep(made baseline.Baseline) error {
	path := filepath.Join(c.Out, made.Name+".json")
	before := ""
	switch data, err := os.ReadFile(path); {
	case err == nil:
		earlier, ok := baseline.Parse(data)
		if !ok {
			return fmt.Errorf("%s is in the way and is no baseline: move it away, or choose another folder with --out", path)
		}
		before = fmt.Sprintf(", in the place of one with %d", len(earlier.Claims))
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("cannot read the baseline that is to be replaced: %w", err)
	}
	encoded, err := made.JSON()
	if err != nil {
		return err
	}
	if err := report.WriteFile(path, encoded); err != nil {
		return err
	}
	fmt.Printf("%s  Linux %s, %d verdicts%s\n", path, made.Kernel.Release, len(made.Claims), before)
	return nil
}
