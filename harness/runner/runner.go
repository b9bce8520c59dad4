// Package runner runs specs side by side, in processes of their own, so that one that crashes or hangs
// takes no other with it and a run lasts hardly longer than its longest spec. Starting a process costs
// as much as half a spec, so each runs several, one after another; one that crashes takes itself alone with
// it, and the rest get a new process.
//
// Specs spend their time waiting, so many more of them run at once than there are processors. What
// costs processor time is setting the stage; only as many specs as there are processors do that at
// the same moment, because a spec that is waiting for an event must not wait for its turn on a
// processor as well.
package runner

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/stage"
)

// Job is one spec to run, under a sabotage if it is to be seen to fail.
type Job struct {
	Spec     stage.Spec
	Sabotage string
}

// Options say how to run.
type Options struct {
	Profile string
	Out     string        // the folder for the pcapng files; empty for none
	Procs   int           // how many specs at once
	Batch   int           // how many specs a process runs at the most, one after another; 1 if it is 0
	Env     []string      // further variables of their environment, NAME=VALUE
	Claims  []claim.Claim // that the specs prove; nil: the catalogue has them
	Program string        // how the user called the program, for the command that runs a spec again; empty if only the spec knows

	// Started and Decided are told of each job, one call at a time; either may be nil.
	Started func(Job)
	Decided func(Job, report.SpecResult)
}

// Run runs the jobs, those with the highest priority first, and returns their results in the order
// of the jobs. When ctx ends, the specs under way are killed and have no result, and the error is
// the context's.
func Run(ctx context.Context, jobs []Job, options Options) ([]report.SpecResult, error) {
	r := &run{options: options, jobs: jobs, results: make([]*report.SpecResult, len(jobs))}
	r.staging = make(chan struct{}, runtime.NumCPU())
	order := make([]int, len(jobs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(jobs[b].Spec.Priority, jobs[a].Spec.Priority)
	})
	batches := r.batches(order)
	queue := make(chan []int, len(batches))
	for _, batch := range batches {
		queue <- batch
	}
	close(queue)

	var workers sync.WaitGroup
	for range min(options.Procs, len(batches)) {
		workers.Go(func() {
			for batch := range queue {
				for len(batch) > 0 && ctx.Err() == nil {
					batch = r.process(ctx, batch)
				}
			}
		})
	}
	workers.Wait()

	var done []report.SpecResult
	for _, result := range r.results {
		if result != nil {
			done = append(done, *result)
		}
	}
	return done, context.Cause(ctx)
}

type run struct {
	options Options
	jobs    []Job
	staging chan struct{} // a place for each spec that is setting its stage

	mu      sync.Mutex
	results []*report.SpecResult
}

// batches deals the jobs out to as many processes as can be at work at once, or to more where a batch would be
// too large. Those of a batch have their sabotage in common.
func (r *run) batches(order []int) (batches [][]int) {
	most := max(1, r.options.Batch)
	fair := min(most, (len(order)+r.options.Procs-1)/r.options.Procs)
	alike := map[string][]int{}
	var sabotages []string
	for _, i := range order {
		sabotage := r.jobs[i].Sabotage
		if alike[sabotage] == nil {
			sabotages = append(sabotages, sabotage)
		}
		alike[sabotage] = append(alike[sabotage], i)
	}
	for _, sabotage := range sabotages {
		jobs := alike[sabotage]
		batches = append(batches, r.deal(jobs, (len(jobs)+fair-1)/fair, most)...)
	}
	return batches
}

// deal makes so many batches of at most so many jobs each: one job after another, those that last longest first, each
// to the batch that would be through first.
func (r *run) deal(order []int, number, most int) [][]int {
	batches := make([][]int, number)
	seconds := make([]int, number)
	for _, i := range order {
		least := -1
		for j := range batches {
			if len(batches[j]) < most && (least < 0 || seconds[j] < seconds[least]) {
				least = j
			}
		}
		batches[least] = append(batches[least], i)
		seconds[least] += r.weight(r.jobs[i].Spec)
	}
	return batches
}

// weight is about how many seconds a spec lasts, with one for its stage, its rest and what a priority leaves out. With the
// kernel's defaults it is about how many thousands of them: a priority is that of a spec's scaled waits, if it has
// any, and of one that lasts a day a day's.
func (r *run) weight(spec stage.Spec) int {
	if r.options.Profile == string(kernel.Defaults) {
		return 1 + spec.Priority/1000
	}
	return 1 + spec.Priority
}

// process runs a batch in a process of its own and returns what of it is still to be run: what had
// not begun when the process died.
func (r *run) process(ctx context.Context, batch []int) (rest []int) {
	select {
	case r.staging <- struct{}{}:
	case <-ctx.Done():
		return nil
	}
	began := time.Now()
	e := &execution{run: r, ctx: ctx, undecided: batch, staging: true}
	if r.options.Batch <= 1 {
		e.begin(batch[0])
	}
	err := e.execute()
	e.staged()
	if ctx.Err() != nil || len(e.undecided) == 0 {
		return nil
	}
	var lost []int
	switch {
	case e.begun:
		lost = []int{e.underway}
		rest = slices.DeleteFunc(slices.Clone(e.undecided), func(i int) bool { return i == e.underway })
	case len(e.undecided) < len(batch): // it died between two specs
		rest = e.undecided
	default: // what does not even begin will not begin in another process either
		lost = e.undecided
	}
	for _, i := range lost {
		spec := r.jobs[i].Spec
		r.decide(i, report.SpecResult{
			Claim: spec.Claim, Case: spec.Case, Family: spec.Family, Text: spec.Text,
			Verdict: report.Broken, Reason: err.Error(), Seconds: time.Since(began).Seconds(),
		})
	}
	return rest
}

// decide keeps the result of a job and tells of it.
func (r *run) decide(i int, result report.SpecResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.options.Program != "" {
		result.CalledAs(r.options.Program)
	}
	r.results[i] = &result
	if r.options.Decided != nil {
		r.options.Decided(r.jobs[i], result)
	}
}

// execution is one process that runs a batch.
type execution struct {
	*run
	ctx       context.Context
	undecided []int // of the batch
	underway  int   // the spec under way, if begun
	begun     bool
	staging   bool // it holds a place in run.staging
	turn      io.Writer
}

// begin tells that a spec has begun.
func (e *execution) begin(i int) {
	if e.begun && e.underway == i {
		return
	}
	e.begun, e.underway = true, i
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.options.Started != nil {
		e.options.Started(e.jobs[i])
	}
}

// staged gives the place among those that set their stage to the next.
func (e *execution) staged() {
	if e.staging {
		e.staging = false
		<-e.run.staging
	}
}

// execute starts the process and hears what it says until it ends. The error says how it ended if
// it decided less than it was given.
func (e *execution) execute() error {
	messages, theirs, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("cannot make a pipe for the spec's result: %w", err)
	}
	defer messages.Close()
	turns, turn, err := os.Pipe()
	if err != nil {
		return errors.Join(fmt.Errorf("cannot make a pipe for the spec's turn: %w", err), theirs.Close())
	}
	defer turn.Close()
	e.turn = turn

	var specs []stage.Spec
	for _, i := range e.undecided {
		specs = append(specs, e.jobs[i].Spec)
	}
	var output bytes.Buffer
	process := exec.CommandContext(e.ctx, "/proc/self/exe")
	// A spec's process lives for seconds and works for milliseconds: collecting garbage and
	// spreading over the processors cost it a quarter more than they bring. One that runs many
	// specs collects when it would become as large as several.
	process.Env = append(os.Environ(), "GOGC=off", "GOMEMLIMIT=40MiB", "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1")
	claims := e.options.Claims
	if claims == nil {
		claims = stage.ClaimsOf(specs)
	}
	process.Env = append(process.Env, stage.Environment(specs, claims, e.options.Profile, e.options.Out, e.jobs[e.undecided[0]].Sabotage)...)
	process.Env = append(process.Env, e.options.Env...)
	process.ExtraFiles = []*os.File{theirs, turns} // stage.ResultsFD and stage.TurnFD
	process.Stdout, process.Stderr = &output, &output
	// Out of the terminal's group: Ctrl-C is for the runner, which then ends its specs.
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// The spec's own processes hold its output open for as long as they live; they die with it.
	process.WaitDelay = time.Second
	err = process.Start()
	theirs.Close()
	turns.Close()
	if err != nil {
		return fmt.Errorf("cannot start the spec's process: %w", err)
	}

	hearErr := e.hear(messages)
	waitErr := process.Wait()
	if waitErr == nil {
		waitErr = errors.New("exit status 0")
	}
	return fmt.Errorf("the spec's process ended without a result (%w); its last words: %s",
		errors.Join(waitErr, hearErr), lastWords(output.String()))
}

// hear takes the process's messages until there are no more.
func (e *execution) hear(messages io.Reader) error {
	decoder := json.NewDecoder(messages)
	for {
		var message stage.Message
		if err := decoder.Decode(&message); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("cannot read the spec's result: %w", err)
		}
		if message.Begun != "" {
			if i, known := e.find(message.Begun); known {
				e.begin(i)
			}
		}
		if message.Staged {
			e.staged()
		}
		if message.Result != nil {
			if i, known := e.find(message.Result.Text); known {
				e.undecided = slices.DeleteFunc(slices.Clone(e.undecided), func(j int) bool { return j == i })
				e.begun = false
				if e.ctx.Err() == nil {
					e.decide(i, *message.Result)
				}
			}
			e.next()
		}
	}
}

// find is the undecided job of a spec's text.
func (e *execution) find(text string) (int, bool) {
	for _, i := range e.undecided {
		if e.jobs[i].Spec.Text == text {
			return i, true
		}
	}
	return 0, false
}

// next lets the process begin its next spec, if it has one, when there is a place among those that
// set their stage.
func (e *execution) next() {
	e.staged()
	if len(e.undecided) == 0 {
		return
	}
	select {
	case e.run.staging <- struct{}{}:
		e.staging = true
		// A process that has died meanwhile is heard of when its messages end.
		_, _ = e.turn.Write([]byte{1})
	case <-e.ctx.Done(): // which ends the process
	}
}

// lastWords are the first and the last lines of what a process said, without Ginkgo's own: a crash
// of the Go runtime says what it was at the beginning, everything else at the end.
func lastWords(output string) string {
	var lines []string
	for _, line := range strings.Split(output, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "[") {
			lines = append(lines, line)
		}
	}
	if len(lines) > 4 {
		lines = append(lines[:2:2], lines[len(lines)-2:]...)
	}
	if len(lines) == 0 {
		return "none"
	}
	return strings.Join(lines, " | ")
}
