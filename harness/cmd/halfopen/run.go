package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/halfopen/halfopen/harness/buildinfo"
	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/page"
	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/runner"
	"github.com/halfopen/halfopen/harness/sandbox"
	"github.com/halfopen/halfopen/harness/stage"
)

type runCommand struct {
	Names    []string `arg:"" optional:"" name:"story|claim" help:"Stories or claims to prove; all of them if none is named."`
	Profile  string   `default:"" enum:",scaled,defaults" help:"Timeouts: scaled (the default on the running kernel) or the kernel's defaults (the default with --kernel; on the wall clock they take hours)."`
	Family   int      `default:"0" help:"4 or 6: one address family alone."`
	Procs    int      `default:"0" help:"How many specs run side by side; ${procs} here, and as many as its memory allows in a guest, if not given."`
	Out      string   `default:"halfopen-results" type:"path" help:"The folder for results.json, junit.xml and the packets."`
	Sabotage string   `hidden:"" help:"Take a behaviour away behind the specs' backs (fixtures/claims.yaml lists the ways): the claims must fail."`
	KTAP     bool     `name:"ktap" help:"Print the Kernel Test Anything Protocol, version 1, as kselftest and KUnit do."`
	List     bool     `help:"List the claims and stop."`
	guestFlags
}

// Run is called twice: outside, where it finds wrong usage and then hands over to the copy of the
// program in its own namespaces, and inside.
func (c *runCommand) Run(ctx context.Context) error {
	catalogue, chosen, err := choose(c.Names, c.Family)
	if err != nil {
		return err
	}
	switch {
	case c.Procs < 0:
		return fmt.Errorf("--procs is at least 1, not %d", c.Procs)
	case c.Kernel == "" && c.guestFlags != defaultGuestFlags:
		return errors.New("--clock, --seed, --append, --memory, --budget, --mirror and --trace go with --kernel")
	}
	if _, known := catalogue.Sabotages()[c.Sabotage]; c.Sabotage != "" && !known {
		return fmt.Errorf("there is no sabotage %q; fixtures/claims.yaml lists them", c.Sabotage)
	}
	c.Profile = cmp.Or(c.Profile, c.ownProfile())
	if c.List {
		list(chosen)
		return nil
	}
	plan := c.plan(catalogue, chosen)
	if len(plan) == 0 {
		return fmt.Errorf("nothing to prove: of what is named, nothing runs with `--profile %s`", c.Profile)
	}
	if err := report.PrepareFolder(c.Out); err != nil {
		return err
	}
	if c.Kernel != "" {
		return c.proveInGuest(ctx, catalogue, plan)
	}
	if err := sandbox.Enter(sandbox.Options{}); err != nil {
		return err
	}
	return c.prove(ctx, catalogue, plan)
}

// choose finds the claims that are named.
func choose(names []string, family int) (*claim.Catalogue, []claim.Claim, error) {
	if family != 0 && family != 4 && family != 6 {
		return nil, nil, fmt.Errorf("--family is 4 or 6, not %d", family)
	}
	catalogue, err := claim.Load()
	if err != nil {
		return nil, nil, err
	}
	chosen, err := catalogue.Select(names)
	return catalogue, chosen, err
}

// list prints the claims, one a line, with the profile a claim is confined to.
func list(claims []claim.Claim) {
	for _, c := range claims {
		only := ""
		if confined := c.Confined(); confined != "" {
			only = " (" + confined + " alone)"
		}
		fmt.Printf("%-42s %s%s\n", c.ID, c.Text, only)
	}
}

// plan picks the specs of the chosen claims, in the catalogue's order.
func (c *runCommand) plan(catalogue *claim.Catalogue, chosen []claim.Claim) []runner.Job {
	wanted := map[string]bool{}
	for _, each := range chosen {
		wanted[each.ID] = each.RunsIn(c.Profile)
	}
	return c.jobs(catalogue, wanted)
}

// jobs are the specs of the claims that are wanted, in the catalogue's order.
func (c *runCommand) jobs(catalogue *claim.Catalogue, wanted map[string]bool) []runner.Job {
	var plan []runner.Job
	for _, spec := range stage.Specs() {
		if wanted[spec.Claim] && (c.Family == 0 || c.Family == spec.Family) {
			plan = append(plan, runner.Job{Spec: spec, Sabotage: c.Sabotage})
		}
	}
	slices.SortStableFunc(plan, func(a, b runner.Job) int {
		return catalogue.Order(a.Spec.Claim) - catalogue.Order(b.Spec.Claim)
	})
	return plan
}

func (c *runCommand) prove(ctx context.Context, catalogue *claim.Catalogue, plan []runner.Job) error {
	running, err := kernelHere()
	if err != nil {
		return err
	}
	release, err := occupy(c.Out)
	if err != nil {
		return err
	}
	defer release()
	printer := c.teller()
	printer.Begin(fmt.Sprintf("Linux %s (HZ %d), %s profile, %s", running.Release, running.HZ, c.Profile, c.extent(catalogue, plan)),
		planned(catalogue, plan))
	began := time.Now()
	specs, interrupted := runner.Run(ctx, plan, runner.Options{
		Profile: c.Profile, Out: c.Out, Batch: runner.DefaultBatch, Procs: cmp.Or(c.Procs, runner.DefaultProcs()), Program: program(),
		Started: func(job runner.Job) { printer.Start(title(job.Spec)) },
		Decided: func(_ runner.Job, result report.SpecResult) { printer.Done(result) },
	})
	seconds := time.Since(began).Seconds()
	results := report.Results(catalogue, specs)
	err = write(c.Out, catalogue, specs, report.Run{
		Kernel: running, Clock: "real", Profile: c.Profile, Family: c.Family,
		Sabotage: c.Sabotage, Started: report.Stamp(began), Seconds: seconds, Complete: interrupted == nil, Claims: results,
	})
	printer.Finish(report.Closing{Folder: c.Out, Seconds: seconds})
	if err := errors.Join(err, interrupted, c.tellGitHub(specs)); err != nil {
		return err
	}
	if code := report.ExitCode(results); code != 0 {
		return verdictError(code)
	}
	return nil
}

// extent says how much is about to be proved, what of the chosen claims is not and why, and that a
// sabotage makes it fail.
func (c *runCommand) extent(catalogue *claim.Catalogue, plan []runner.Job) string {
	claims := map[string]bool{}
	for _, job := range plan {
		claims[job.Spec.Claim] = true
	}
	text := fmt.Sprintf("%d claims by %d specs", len(claims), len(plan))
	if c.Sabotage != "" {
		text += fmt.Sprintf("\nunder the sabotage %s: what fails says nothing of the kernel", c.Sabotage)
	}
	chosen, _ := catalogue.Select(c.Names) // it went well before
	for _, each := range chosen {
		if !each.RunsIn(c.Profile) {
			text += fmt.Sprintf("\nnot run: %s, which is proved %s alone", each.ID, each.Confined())
		}
	}
	return text
}

// tellGitHub is for a job that runs the command: the results are in its folder by now.
func (c *runCommand) tellGitHub(specs []report.SpecResult) error {
	markdown, err := os.ReadFile(filepath.Join(c.Out, "summary.md"))
	return errors.Join(err, tellGitHub(specs, "", markdown))
}

func title(spec stage.Spec) string {
	return report.SpecResult{Claim: spec.Claim, Case: spec.Case, Family: spec.Family}.Title()
}

// planned counts the specs of each claim and family.
func planned(catalogue *claim.Catalogue, plan []runner.Job) []report.Planned {
	var all []report.Planned
	for _, job := range plan {
		i := slices.IndexFunc(all, func(p report.Planned) bool {
			return p.Claim.ID == job.Spec.Claim && p.Family == job.Spec.Family
		})
		if i < 0 {
			proved, _ := catalogue.ByID(job.Spec.Claim)
			all = append(all, report.Planned{Claim: proved, Family: job.Spec.Family})
			i = len(all) - 1
		}
		all[i].Specs++
	}
	return all
}

// write leaves a run's results in the folder.
func write(folder string, catalogue *claim.Catalogue, specs []report.SpecResult, run report.Run) error {
	run.Halfopen = buildinfo.Version()
	results, err := run.JSON()
	if err != nil {
		return err
	}
	junit, err := report.JUnit(run, catalogue, specs)
	if err != nil {
		return err
	}
	encoded, err := report.SpecsJSON(report.Ordered(catalogue, specs))
	if err != nil {
		return err
	}
	html, unpaged := page.HTML(page.Input{Run: run, Catalogue: catalogue, Specs: specs, Folder: folder, Kernel: run.Kernel.Name, Program: program()})
	if unpaged == nil {
		unpaged = report.WriteFile(filepath.Join(folder, page.File), html)
	}
	return errors.Join(
		report.WriteFile(filepath.Join(folder, report.ResultsFile), results),
		report.WriteFile(filepath.Join(folder, report.SpecsFile), encoded),
		unpaged,
		report.WriteFile(filepath.Join(folder, "junit.xml"), junit),
		report.WriteFile(filepath.Join(folder, "summary.md"), report.Markdown(run, catalogue, specs)),
	)
}
