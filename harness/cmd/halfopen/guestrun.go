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

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/image"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/runner"
	"github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/vm"
)

// guestSpecs is how many specs a guest proves at the most, loneSpecs how many it proves without a second one: a
// virtual machine has one processor, and a second would make it no faster. A boot costs as much as twenty
// specs. Both depend on nothing of this machine, because what runs beside a spec moves its times.
const (
	guestSpecs = 420
	loneSpecs  = 100
)

// processSpecs is how many specs of a guest are worth a process of their own on the virtual clock: to start one, and
// those of its hosts, costs as much as three specs, and waiting side by side saves what the kernel does by itself.
const processSpecs = 25

// guestRun is a run on one kernel, in as many guests as its specs need.
type guestRun struct {
	flags   guestFlags
	name    string   // the kernel's, as it was given
	job     guestJob // but for its specs
	plan    []runner.Job
	out     string
	images  image.Options // but for Mirror, which is the flags'
	begun   func(guestBegun)
	started func(runner.Job)
	decided func(report.SpecResult)
	console func(string)

	// places are for the guests that run at once, of this kernel and of others; as many as there are
	// processors if nil.
	places chan struct{}

	mu     sync.Mutex // one of the functions above at a time
	isUp   bool
	guests []*guestPart
}

// guestReport is what a run on a kernel gives.
type guestReport struct {
	begun   guestBegun
	seconds float64 // on the guests' clocks, in all
	booted  int     // guests that did not go on from a kept snapshot
	specs   []report.SpecResult
	outcome vm.Outcome // of the guests in all
	trouble []string   // lines on which a guest's kernel complained, each with the specs that ran
	ended   error      // why a guest did not decide all; nil if all did
}

// run boots the kernel and proves the plan in it. Specs that a guest could not decide are broken,
// and say why; the error is for what is in the way of any result at all.
func (g *guestRun) run(ctx context.Context) (guestReport, error) {
	g.images.Mirror = g.flags.Mirror
	boot, err := image.Pull(ctx, g.name, g.images)
	if err != nil {
		return guestReport{}, err
	}
	config := vm.Config{
		Kernel: vm.Kernel{Path: boot.Kernel, PVH: boot.PVH, BzImage: boot.BzImage},
		Clock:  g.job.Clock, Seed: g.flags.Seed, Append: g.flags.Append, Memory: g.flags.Memory, Budget: g.flags.Budget,
		Snapshots: snapshotFolder(g.images.Cache),
	}
	for _, module := range boot.Load(labModules...) {
		config.Kernel.Modules = append(config.Kernel.Modules, module.Path)
	}
	if g.places == nil {
		g.places = make(chan struct{}, runtime.NumCPU())
	}
	for _, part := range parts(g.plan) {
		g.guests = append(g.guests, &guestPart{guestRun: g, plan: part, release: boot.Release})
	}
	var running sync.WaitGroup
	for _, guest := range g.guests {
		select {
		case g.places <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		running.Go(func() {
			defer func() { <-g.places }()
			guest.err = guest.prove(ctx, config)
		})
	}
	running.Wait()
	r, err := g.join()
	return r, cmp.Or(context.Cause(ctx), err)
}

// snapshotFolder is where guests are kept that have booted: beside the images. Empty, if there is nowhere: they boot
// each time then.
func snapshotFolder(images string) string {
	if images != "" {
		return filepath.Join(images, ".snapshots")
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(user, "halfopen", "snapshots")
}

// parts deals a plan out to its guests, one spec to each in turn, because those of a story last about as long.
func parts(plan []runner.Job) [][]runner.Job {
	guests := (len(plan) + guestSpecs - 1) / guestSpecs
	if len(plan) > loneSpecs {
		guests = max(guests, 2)
	}
	dealt := make([][]runner.Job, guests)
	for i, job := range plan {
		dealt[i%len(dealt)] = append(dealt[i%len(dealt)], job)
	}
	return dealt
}

// join puts together what the guests gave, in the order of the plan.
func (g *guestRun) join() (r guestReport, err error) {
	for _, guest := range g.guests {
		if r.begun.Date == "" {
			r.begun = guest.report.begun
		}
		r.seconds += guest.report.seconds
		r.specs = append(r.specs, guest.report.specs...)
		r.trouble = append(r.trouble, guest.report.trouble...)
		r.ended = cmp.Or(r.ended, guest.report.ended)
		err = cmp.Or(err, guest.err)

		o := guest.report.outcome
		if o.Booted {
			r.booted++
		}
		if o.Attempts > r.outcome.Attempts {
			r.outcome.Attempts, r.outcome.Seed = o.Attempts, o.Seed
		}
		r.outcome.Up += o.Up
		r.outcome.UpCPU += o.UpCPU
		r.outcome.Lasted += o.Lasted
		r.outcome.CPU += o.CPU
		r.outcome.Wall = max(r.outcome.Wall, o.Wall)
	}
	place := map[string]int{}
	for i, job := range g.plan {
		place[job.Spec.Text] = i
	}
	slices.SortStableFunc(r.specs, func(a, b report.SpecResult) int { return cmp.Compare(place[a.Text], place[b.Text]) })
	return r, err
}

// tell calls one of the run's functions.
func (g *guestRun) tell(what func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	what()
}

// guestPart is one guest with its part of the plan.
type guestPart struct {
	*guestRun
	plan     []runner.Job
	release  string
	underway map[int]bool
	results  []*report.SpecResult
	report   guestReport
	err      error
}

// prove boots the guest and proves its part.
func (g *guestPart) prove(ctx context.Context, config vm.Config) error {
	job := g.job
	for _, each := range g.plan {
		job.Specs = append(job.Specs, each.Spec)
	}
	job.Claims = stage.ClaimsOf(job.Specs)
	if job.Clock == vm.Virtual {
		job.Procs = min(job.Procs, 1+len(job.Specs)/processSpecs)
	}
	var err error
	if config.Job, err = json.Marshal(job); err != nil {
		return err
	}
	if config.Programs, err = programs(); err != nil {
		return err
	}
	g.results, g.underway = make([]*report.SpecResult, len(g.plan)), map[int]bool{}
	r := &g.report
	r.begun.Kernel.Release = g.release
	r.outcome, err = vm.Run(ctx, config, vm.Watch{
		Console: func(line string) { g.tell(func() { g.console(line) }) },
		Message: g.take,
		Trouble: func(line string) { r.trouble = append(r.trouble, line+g.meanwhile()) },
	})
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, vm.ErrNoQEMU), errors.Is(err, vm.ErrNotStatic):
		return err
	case err != nil:
		r.ended, err = err, nil
	case r.outcome.Code != 0:
		r.ended = fmt.Errorf("the program in the guest ended with exit code %d: %s", r.outcome.Code, lastOf(r.outcome.Console))
	}
	if r.ended != nil {
		g.breakRest(r.ended)
	}
	for _, result := range g.results {
		if result != nil {
			r.specs = append(r.specs, *result)
		}
	}
	return err
}

// programs are those that claims name and that this machine has: a guest has nothing else. What cannot come along
// is not installed there. All of them, whatever is to be proved: a guest that is alike goes on from the same snapshot.
func programs() ([]string, error) {
	catalogue, err := claim.Load()
	if err != nil {
		return nil, err
	}
	var programs []string
	for _, c := range catalogue.Claims() {
		if c.Program == "" {
			continue
		}
		path, err := process.FindProgram(c.Program)
		if err == nil && vm.Complete(path) && !slices.Contains(programs, path) {
			programs = append(programs, path)
		}
	}
	return programs, nil
}

// take takes one message of the guest.
func (g *guestPart) take(message []byte) error {
	news, capture, err := decodeNews(message)
	if err != nil {
		return err
	}
	switch {
	case news.Begun != nil:
		g.report.begun = *news.Begun
		g.report.begun.Kernel.Name = g.name
		g.tell(func() {
			if !g.isUp {
				g.isUp = true
				g.begun(g.report.begun)
			}
		})
	case news.Started != nil:
		if *news.Started < 0 || *news.Started >= len(g.plan) {
			return fmt.Errorf("the guest started spec %d, which it was not given", *news.Started)
		}
		g.underway[*news.Started] = true
		g.tell(func() { g.started(g.plan[*news.Started]) })
	case news.Decided != nil:
		if news.Index < 0 || news.Index >= len(g.plan) {
			return fmt.Errorf("the guest decided spec %d, which it was not given", news.Index)
		}
		return g.decide(news.Index, *news.Decided, capture)
	case news.Done != nil:
		g.report.seconds = news.Done.Seconds
	}
	return nil
}

func (g *guestPart) decide(index int, result report.SpecResult, capture []byte) error {
	delete(g.underway, index)
	result.CalledAs(program(), g.flags.again(g.name)...)
	g.results[index] = &result
	g.tell(func() { g.decided(result) })
	if len(capture) == 0 {
		return nil
	}
	// The name comes from inside the guest: no path of it may lead out of the folder.
	return report.WriteFile(filepath.Join(g.out, filepath.Base(result.Pcapng)), capture)
}

// meanwhile names the specs under way.
func (g *guestPart) meanwhile() string {
	var specs []string
	for i, job := range g.plan {
		if g.underway[i] {
			specs = append(specs, title(job.Spec))
		}
	}
	if len(specs) == 0 {
		return " (no spec was under way)"
	}
	return " (under way: " + strings.Join(specs, "; ") + ")"
}

// breakRest makes a result for each spec that the guest owes one.
func (g *guestPart) breakRest(why error) {
	for i, job := range g.plan {
		if g.results[i] != nil {
			continue
		}
		reason := "not begun when " + why.Error()
		if g.underway[i] {
			reason = "under way when " + why.Error()
		}
		_ = g.decide(i, report.SpecResult{
			Claim: job.Spec.Claim, Case: job.Spec.Case, Family: job.Spec.Family, Text: job.Spec.Text,
			Verdict: report.Broken, Reason: reason,
		}, nil)
	}
}

func lastOf(lines []string) string {
	if len(lines) == 0 {
		return "it said nothing"
	}
	return lines[len(lines)-1]
}
