package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/halfopen/halfopen/harness/report"
)

type detectionCommand struct {
	Results  string `arg:"" optional:"" default:"halfopen-results/results.json" help:"A run's results.json, or the folder with it."`
	Markdown bool   `help:"Print the table as Markdown."`
}

// Run prints what a run has measured; nothing is run.
func (c *detectionCommand) Run() error {
	run, err := readResults(c.Results)
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

// readResults reads the results.json of an earlier run.
func readResults(path string) (report.Run, error) {
	var run report.Run
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path += "/results.json"
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return run, fmt.Errorf("there is no %s: `halfopen run` writes one, into the folder that --out names", path)
	}
	if err != nil {
		return run, fmt.Errorf("cannot read the results: %w", err)
	}
	if err := json.Unmarshal(data, &run); err != nil || run.Schema != report.Schema {
		return run, fmt.Errorf("%s holds no results of halfopen (%s)", path, report.Schema)
	}
	return run, nil
}
