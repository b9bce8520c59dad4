package main

import (
	"fmt"

	"github.com/halfopen/halfopen/harness/report"
)

type detectionCommand struct {
	Results  string `arg:"" optional:"" default:"halfopen-results/results.json" help:"A run's results.json, or the folder with it."`
	Markdown bool   `help:"Print the table as Markdown."`
}

// Run prints what a run has measured; nothing is run.
func (c *detectionCommand) Run() error {
	run, err := report.Load(c.Results)
	if err != nil {
		return err
	}
	table, err := report.Detection(run)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Results, err)
	}
	if c.Markdown {
		fmt.Print(table.Markdown())
		return nil
	}
	fmt.Print(table.Text())
	return nil
}
