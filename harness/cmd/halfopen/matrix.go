package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/halfopen/halfopen/harness/baseline"
	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/image"
	"github.com/halfopen/halfopen/harness/matrix"
	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/runner"
	"github.com/halfopen/halfopen/harness/vm"
)

type matrixCommand struct {
	Names   []string      `arg:"" optional:"" name:"story|claim" help:"Stories or claims to prove; all of them if none is named."`
	Kernels []string      `placeholder:"K,K,..." help:"The kernels, in the order of the table; all of fixtures/kernels.yaml that are not gone if none is named. debian:SERIES or just SERIES, installed, a file with its modules beside it, a folder of .deb files."`
	Out     string        `default:"halfopen-matrix" type:"path" help:"The folder for matrix.html, matrix.json and a folder per kernel."`
	Procs   int           `default:"0" help:"How many guests run side by side; as many as there are processors if not given."`
	Profile string        `default:"defaults" enum:"scaled,defaults" help:"Timeouts: ${enum}."`
	Family  int           `default:"0" help:"4 or 6: one address family alone."`
	Seed    uint64        `default:"1" help:"The seed of everything random in the guests."`
	Append  string        `placeholder:"PARAMETERS" help:"Further parameters of the kernels."`
	Memory  int           `default:"512" help:"A guest's memory in MiB."`
	Budget  time.Duration `default:"20m" help:"How long a guest may take on the wall clock."`
	Mirror  string        `placeholder:"URL" help:"The archive of debian:SERIES; apt's own if not given."`
	Cache   string        `placeholder:"DIR" type:"path" help:"The folder of the images."`
}

// watchKernel is told how far a kernel is, one call at a time.
type watchKernel struct {
	Step       func(string) // what is being done
	Decided    func(report.SpecResult)
	Complained func([]string) // the kernel, on these lines of its console
}

// proveKernel checks one kernel, by its place in the list of names. The results are what there is,
// whatever the error: nothing if Kernel.Release is empty.
type proveKernel func(ctx context.Context, kernel int, watch watchKernel) (report.Run, []report.SpecResult, error)

// Run checks the kernels side by side and writes what there is, also when it is interrupted.
func (c *matrixCommand) Run(ctx context.Context) error {
	catalogue, chosen, err := choose(c.Names, c.Family)
	if err != nil {
		return err
	}
	names, err := kernelNames(c.Kernels)
	if err != nil {
		return err
	}
	if c.Procs < 0 {
		return fmt.Errorf("--procs is at least 1, not %d", c.Procs)
	}
	picked := runCommand{Profile: c.Profile, Family: c.Family}
	plan := picked.plan(catalogue, chosen)
	if len(plan) == 0 {
		return fmt.Errorf("nothing to prove: of what is named, nothing runs with `--profile %s`", c.Profile)
	}
	if err := report.PrepareFolder(c.Out); err != nil {
		return err
	}
	procs := cmp.Or(c.Procs, runtime.NumCPU())
	b := newBoard(os.Stdout, len(names))
	b.print("%d kernels, %d side by side, %s profile, %d specs each", len(names), min(procs, len(names)), c.Profile, len(plan))
	side := sideBySide{
		names: names, order: longestFirst(names, c.lastTime(), c.cached()), procs: procs, specs: len(plan), board: b,
		folders: foldersOf(names),
	}
	places := make(chan struct{}, procs)
	side.prove = func(ctx context.Context, i int, watch watchKernel) (report.Run, []report.SpecResult, error) {
		return c.proveInGuest(ctx, catalogue, plan, names[i], filepath.Join(c.Out, side.folders[i]), places, watch)
	}
	began := time.Now()
	columns := side.run(ctx)
	b.close()
	return c.finish(ctx, catalogue, columns, b, time.Since(began))
}

// finish writes the matrix and gives the command's verdict.
func (c *matrixCommand) finish(ctx context.Context, catalogue *claim.Catalogue, columns []matrix.Column, b *board, took time.Duration) error {
	m, err := writeMatrix(c.Out, catalogue, columns, b)
	what, several := "kernel", "s"
	if len(columns) > 0 && len(columns[0].Run.Pair) > 0 {
		what = "pair"
	}
	if len(columns) == 1 {
		several = ""
	}
	fmt.Printf("%d %s%s in %.1f s\nresults  %s, matrix.json, matrix.txt, a folder per %[2]s\n", len(columns), what, several, took.Seconds(), filepath.Join(c.Out, "matrix.html"))
	if ctx.Err() != nil {
		err = errors.Join(err, context.Cause(ctx))
	}
	if err := errors.Join(err, tellGitHubOfKernels(m, columns)); err != nil {
		return err
	}
	if code := m.ExitCode(); code != 0 {
		return verdictError(code)
	}
	return nil
}

const matrixFile = "matrix.json"

// lastTime is how long each kernel took in an earlier run into the same folder, in seconds.
func (c *matrixCommand) lastTime() map[string]float64 {
	seconds := map[string]float64{}
	data, err := os.ReadFile(filepath.Join(c.Out, matrixFile))
	if err != nil {
		return seconds
	}
	var earlier matrix.Matrix
	// A damaged file only costs the better order.
	_ = json.Unmarshal(data, &earlier)
	for _, k := range earlier.Kernels {
		if k.Problem == "" {
			seconds[k.Name] = k.WallSeconds
		}
	}
	return seconds
}

// cached are the names of the images that need no fetching; an error there is Pull's to report.
func (c *matrixCommand) cached() map[string]bool {
	names := map[string]bool{}
	images, _ := image.Cached(image.Options{Cache: c.Cache})
	for _, i := range images {
		names[i.Name] = true
	}
	return names
}

// longestFirst is the order in which to start kernels: what must be fetched first, then what took
// longest the last time; what has not been run yet counts as the longest, the newest of it first,
// because newer kernels have more to boot.
func longestFirst(names []string, last map[string]float64, cached map[string]bool) []int {
	order := make([]int, len(names))
	for i := range order {
		order[i] = len(names) - 1 - i
	}
	rank := func(name string) int {
		_, known := last[name]
		switch {
		case !cached[name]:
			return 0
		case !known:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(rank(names[a]), rank(names[b])), cmp.Compare(last[names[b]], last[names[a]]))
	})
	return order
}

// foldersOf names the kernels' folders, debian-6.12 for debian:6.12 and the file's name for a file,
// each once.
func foldersOf(names []string) []string {
	var folders []string
	for _, name := range names {
		safe := baseline.NameOf(name)
		folder := safe
		for n := 2; slices.Contains(folders, folder); n++ {
			folder = fmt.Sprintf("%s-%d", safe, n)
		}
		folders = append(folders, folder)
	}
	return folders
}

// sideBySide proves kernels, several at once; what befalls one leaves the others alone.
type sideBySide struct {
	names   []string
	folders []string // of each kernel, beside matrix.json
	order   []int    // of names
	procs   int
	specs   int // of each kernel
	board   *board
	prove   proveKernel
}

// run gives a column for every kernel, in the order of their names.
func (s *sideBySide) run(ctx context.Context) []matrix.Column {
	columns := make([]matrix.Column, len(s.names))
	queue := make(chan int, len(s.order))
	for _, i := range s.order {
		queue <- i
		s.board.set(i, fmt.Sprintf("%-13s waits", s.names[i]))
	}
	close(queue)
	var workers sync.WaitGroup
	for range min(s.procs, len(s.names)) {
		workers.Go(func() {
			for i := range queue {
				columns[i] = s.one(ctx, i)
			}
		})
	}
	workers.Wait()
	return columns
}

// one proves one kernel.
func (s *sideBySide) one(ctx context.Context, i int) matrix.Column {
	name := s.names[i]
	column := matrix.Column{Name: name, Folder: s.folders[i]}
	if ctx.Err() != nil {
		s.board.set(i, "")
		column.Problem = "not begun when the run was interrupted"
		return column
	}
	began := time.Now()
	counts := map[report.Verdict]int{}
	decided := 0
	show := func(doing string) {
		s.board.set(i, fmt.Sprintf("%-13s %3d/%d specs%s  %6.1f s  %s", name, decided, s.specs, tally(counts), time.Since(began).Seconds(), doing))
	}
	show("begins")
	var err error
	column.Run, column.Specs, err = s.prove(ctx, i, watchKernel{
		Step: show,
		Decided: func(spec report.SpecResult) {
			decided++
			counts[spec.Verdict]++
			show("")
		},
		Complained: func(lines []string) { column.Complaints = append(column.Complaints, lines...) },
	})
	column.WallSeconds = time.Since(began).Seconds()
	s.board.set(i, "")
	switch {
	case ctx.Err() != nil:
		column.Problem = fmt.Sprintf("interrupted after %d of %d specs", len(column.Specs), s.specs)
	case err != nil:
		column.Problem = err.Error()
	}
	if column.Problem != "" {
		// The whole of it comes with the table.
		first, _, _ := strings.Cut(column.Problem, "\n")
		first, _, _ = strings.Cut(first, "; its last words")
		s.board.print("%-13s %s", name, strings.TrimLeft(strings.TrimPrefix(first, name), ": "))
		return column
	}
	virtual := ""
	if column.Run.Clock == string(vm.Virtual) {
		virtual = fmt.Sprintf(", of the guest's %.0f s", column.Run.Seconds)
	}
	s.board.print("%-13s %-28s %d specs%s  %.1f s%s", name, column.Run.Kernel.Release, len(column.Specs), tally(counts), column.WallSeconds, virtual)
	return column
}

// tally says what is not a pass.
func tally(counts map[report.Verdict]int) string {
	said := ""
	for _, v := range []report.Verdict{report.Fail, report.Broken, report.Unsupported} {
		if counts[v] > 0 {
			said += fmt.Sprintf(", %d %s", counts[v], v)
		}
	}
	return said
}

// proveInGuest checks one kernel in a guest and leaves its results in its folder.
func (c *matrixCommand) proveInGuest(ctx context.Context, catalogue *claim.Catalogue, plan []runner.Job, name, folder string, places chan struct{}, watch watchKernel) (report.Run, []report.SpecResult, error) {
	if err := report.PrepareFolder(folder); err != nil {
		return report.Run{}, nil, err
	}
	release, err := occupy(folder)
	if err != nil {
		return report.Run{}, nil, err
	}
	defer release()
	began := false
	g := &guestRun{
		flags: guestFlags{
			Kernel: name, Clock: string(vm.Virtual), Seed: c.Seed, Append: c.Append, Memory: c.Memory, Budget: c.Budget, Mirror: c.Mirror,
		},
		name: name, plan: plan, out: folder, places: places,
		job: guestJob{Profile: c.Profile, Clock: vm.Virtual, Procs: guestProcs(c.Memory)},
		images: image.Options{Cache: c.Cache, Progress: func(p image.Progress) {
			watch.Step(fmt.Sprintf("%s %s %s", bar(p.Done, p.Total), p.Step, p.What))
		}},
		begun:   func(guestBegun) { began = true },
		started: func(job runner.Job) { watch.Step(title(job.Spec)) },
		decided: watch.Decided,
		console: func(string) {
			if !began {
				watch.Step("boots")
			}
		},
	}
	r, err := g.run(ctx)
	if r.outcome.Attempts > 1 {
		r.trouble = append([]string{fmt.Sprintf("a guest died before it was up and was started again, with seed %d", r.outcome.Seed)}, r.trouble...)
	}
	watch.Complained(r.trouble)
	if !began {
		// Nothing was decided on this kernel: a column of broken cells would say no more, and an empty
		// folder nothing.
		_ = os.Remove(folder)
		return report.Run{}, nil, errors.Join(err, r.ended)
	}
	run := report.Run{
		Kernel: r.begun.Kernel, Clock: string(vm.Virtual), Seed: r.outcome.Seed, Attempts: r.outcome.Attempts,
		Profile: c.Profile, Family: c.Family, Started: r.begun.Date,
		Seconds: r.seconds, Complete: err == nil && r.ended == nil, Claims: report.Results(catalogue, r.specs),
	}
	err = errors.Join(err, r.ended, write(folder, catalogue, r.specs, run))
	return run, r.specs, err
}
