package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/halfopen/halfopen/harness/baseline"
	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/compare"
	"github.com/halfopen/halfopen/harness/image"
	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/report"
)

type compareCommand struct {
	Sides    []string `arg:"" name:"old... new" help:"Two kernels, the new one last: a results.json, the folder of a run or of several runs, a baseline (file or name), running, or a kernel to boot such as debian:6.12. What stands before the last is OLD: several runs of one kernel tell how far its times vary."`
	Only     []string `placeholder:"STORY|CLAIM" help:"Compare these alone."`
	JSON     bool     `name:"json" xor:"format" help:"Print it as JSON (halfopen.comparison/v1)."`
	Markdown bool     `xor:"format" help:"Print it as Markdown, for a CI job's summary."`
	Fresh    bool     `help:"Boot a kernel even if there is a baseline of its name."`
	Profile  string   `default:"" enum:",scaled,defaults" help:"Of what must be run: as the other side was if not given."`
	Out      string   `default:"halfopen-compare" type:"path" help:"The folder for the results of what must be run."`
}

// running is the name of the kernel that runs.
const running = "running"

// Run compares; what is not a run yet is run first.
func (c *compareCommand) Run(ctx context.Context) error {
	if len(c.Sides) < 2 {
		return errors.New("compare takes two kernels at least, OLD and NEW, of which this is one alone; `halfopen compare --help` tells what they may be")
	}
	catalogue, chosen, err := choose(c.Only, 0)
	if err != nil {
		return err
	}
	s := sides{ctx: ctx, catalogue: catalogue, command: c}
	before, after, err := s.both()
	if err != nil {
		return err
	}
	var only func(string) bool
	if len(c.Only) > 0 {
		only = func(id string) bool {
			return slices.ContainsFunc(chosen, func(each claim.Claim) bool { return each.ID == id })
		}
	}
	comparison, err := compare.Of(catalogue, before, after, only)
	switch {
	case errors.Is(err, compare.ErrNothingInCommon):
		return fmt.Errorf("%s and %s have no claim in common: run the same stories on both", before.Label, after.Label)
	case err != nil:
		return err
	}
	if err := errors.Join(c.print(comparison), tellGitHubOfChanges(comparison)); err != nil {
		return err
	}
	if code := comparison.ExitCode(); code != 0 {
		return verdictError(code)
	}
	return nil
}

func (c *compareCommand) print(comparison compare.Comparison) error {
	switch {
	case c.JSON:
		encoded, err := comparison.JSON()
		if err != nil {
			return err
		}
		fmt.Print(string(encoded))
	case c.Markdown:
		fmt.Print(comparison.Markdown())
	default:
		tty, width, color := report.Terminal(os.Stdout)
		columns := 0
		if tty {
			columns = width()
		}
		fmt.Print(comparison.Text(columns, color))
	}
	return nil
}

// tellGitHubOfChanges annotates a job with what changed and adds the comparison to its summary.
func tellGitHubOfChanges(comparison compare.Comparison) error {
	job, here := inGitHub()
	if !here {
		return nil
	}
	for _, change := range comparison.Changes {
		level := "warning"
		if change.Kind == compare.Broke {
			level = "error"
		}
		job.warn(level, fmt.Sprintf("%s on %s, compared with %s", change.Claim, comparison.New.Label, comparison.Old.Label), strings.Join(change.Meaning, " "))
	}
	return job.summarize([]byte(comparison.Markdown()))
}

// sides makes of what is named what was run.
type sides struct {
	ctx       context.Context
	catalogue *claim.Catalogue
	command   *compareCommand
}

// named is one thing that was named: the runs it is, or the kernel that must be run to have one.
type named struct {
	label  string
	runs   []report.Run
	kernel string // to be run: running, or a kernel's name
}

func (s *sides) both() (before, after compare.Side, err error) {
	var found []named
	for _, each := range s.command.Sides {
		n, err := s.find(each)
		if err != nil {
			return before, after, err
		}
		found = append(found, n)
	}
	last := len(found) - 1
	// What is there already says how the other side is to be run: the same claims under the same profile.
	var model *report.Run
	for _, n := range found {
		if len(n.runs) > 0 && model == nil {
			model = &n.runs[0]
		}
	}
	// Where all is to be run and the running kernel is among it, short timeouts are what both can have.
	if model == nil && s.command.Profile == "" && slices.ContainsFunc(found, func(n named) bool { return n.kernel == running }) {
		s.command.Profile = string(kernel.Scaled)
	}
	label := found[0].label
	if last > 1 {
		label = fmt.Sprintf("%s and %d more", label, last-1)
	}
	// Results that do not go together are told of before anything is run.
	if there := runsOf(found[:last]); len(there) > 0 {
		if _, err := compare.NewSide(label, there...); err != nil {
			return before, after, err
		}
	}
	for i := range found {
		if found[i].kernel == "" {
			continue
		}
		folder := baseline.NameOf(found[i].kernel)
		if slices.ContainsFunc(found[:i], func(n named) bool { return n.kernel == found[i].kernel }) {
			folder += fmt.Sprintf("-%d", i+1) // beside what an earlier one has left
		}
		run, err := s.run(found[i].kernel, folder, model)
		if err != nil {
			return before, after, err
		}
		found[i].runs = []report.Run{run}
		if model == nil {
			model = &run
		}
	}
	if before, err = compare.NewSide(label, runsOf(found[:last])...); err != nil {
		return before, after, err
	}
	after, err = compare.NewSide(found[last].label, found[last].runs...)
	return before, after, err
}

func runsOf(all []named) (runs []report.Run) {
	for _, n := range all {
		runs = append(runs, n.runs...)
	}
	return runs
}

// find tells what a name is, without running anything.
func (s *sides) find(name string) (named, error) {
	if _, err := os.Stat(name); err == nil {
		runs, err := s.read(name)
		return named{label: name, runs: runs}, err
	}
	if name == running {
		return named{label: name, kernel: running}, nil
	}
	kernels, notAKernel := kernelNames([]string{name})
	if !s.command.Fresh || notAKernel != nil {
		switch kept, found, err := baseline.Embedded().Named(name); {
		case err != nil:
			return named{}, err
		case found:
			return named{label: kept.Name, runs: []report.Run{kept.Run()}}, nil
		}
	}
	if notAKernel == nil {
		return named{label: kernels[0], kernel: kernels[0]}, nil
	}
	return named{}, fmt.Errorf("%s is no file, no baseline and no kernel: name a run's folder, %s, one of `halfopen kernels`, or a baseline (%s)",
		name, running, someBaselines())
}

func someBaselines() string {
	names := baseline.Embedded().Names()
	if len(names) == 0 {
		return "this program carries none"
	}
	return fmt.Sprintf("%s to %s", names[0], names[len(names)-1])
}

// read gives the runs that a path holds: a baseline is one.
func (s *sides) read(path string) ([]report.Run, error) {
	if data, err := os.ReadFile(path); err == nil {
		if kept, ok := baseline.Parse(data); ok {
			return []report.Run{kept.Run()}, nil
		}
	}
	files, err := report.Find(path)
	if err != nil {
		return nil, err
	}
	var runs []report.Run
	for _, file := range files {
		run, err := report.Load(file)
		if err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// run runs a kernel as a user would, what the model ran if there is one.
func (s *sides) run(name, folder string, model *report.Run) (report.Run, error) {
	c := s.command
	r := ownRun{names: c.Only, profile: c.Profile, out: filepath.Join(c.Out, folder)}
	if name != running {
		if _, err := image.Parse(name); err != nil {
			return report.Run{}, err
		}
		r.kernel, r.seed = name, 1
	}
	if model != nil {
		if len(r.names) == 0 {
			r.names = report.Selection(s.catalogue, *model)
		}
		r.family = model.Family
		if model.Seed != 0 {
			r.seed = model.Seed
		}
		// With the kernel's own timeouts the wall clock would take hours.
		if r.profile == "" && (r.kernel != "" || model.Clock == "real") {
			r.profile = model.Profile
		}
	}
	return r.run(s.ctx)
}
