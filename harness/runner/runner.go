// Package runner runs specs side by side, each in a process of its own, so that one that crashes
// or hangs takes no other with it and a run lasts hardly longer than its longest spec.
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
	Out     string // the folder for the pcapng files; empty for none
	Procs   int    // how many specs at once

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
	queue := make(chan int, len(order))
	for _, i := range order {
		queue <- i
	}
	close(queue)

	var workers sync.WaitGroup
	for range min(options.Procs, len(jobs)) {
		workers.Go(func() {
			for i := range queue {
				if ctx.Err() == nil {
					r.one(ctx, i)
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

func (r *run) one(ctx context.Context, i int) {
	select {
	case r.staging <- struct{}{}:
	case <-ctx.Done():
		return
	}
	leave := sync.OnceFunc(func() { <-r.staging })
	defer leave()

	r.mu.Lock()
	if r.options.Started != nil {
		r.options.Started(r.jobs[i])
	}
	r.mu.Unlock()

	began := time.Now()
	result, err := r.execute(ctx, r.jobs[i], leave)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		spec := r.jobs[i].Spec
		result = &report.SpecResult{
			Claim: spec.Claim, Case: spec.Case, Family: spec.Family, Text: spec.Text,
			Verdict: report.Broken, Reason: err.Error(), Seconds: time.Since(began).Seconds(),
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results[i] = result
	if r.options.Decided != nil {
		r.options.Decided(r.jobs[i], *result)
	}
}

// execute runs one spec in a process of its own and reads its messages.
func (r *run) execute(ctx context.Context, job Job, staged func()) (*report.SpecResult, error) {
	messages, theirs, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot make a pipe for the spec's result: %w", err)
	}
	defer messages.Close()

	var output bytes.Buffer
	spec := exec.CommandContext(ctx, "/proc/self/exe")
	// A spec's process lives for seconds and works for milliseconds: collecting garbage and
	// spreading over the processors cost it a quarter more than they bring.
	spec.Env = append(os.Environ(), "GOGC=off", "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1")
	spec.Env = append(spec.Env, stage.Environment(job.Spec, r.options.Profile, r.options.Out, job.Sabotage)...)
	spec.ExtraFiles = []*os.File{theirs} // descriptor 3, stage.ResultsFD
	spec.Stdout, spec.Stderr = &output, &output
	// Out of the terminal's group: Ctrl-C is for the runner, which then ends its specs.
	spec.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// The spec's own processes hold its output open for as long as they live; they die with it.
	spec.WaitDelay = time.Second
	err = spec.Start()
	theirs.Close()
	if err != nil {
		return nil, fmt.Errorf("cannot start the spec's process: %w", err)
	}

	result, readErr := read(messages, staged)
	waitErr := spec.Wait()
	if result != nil {
		return result, nil
	}
	if waitErr == nil {
		waitErr = errors.New("exit status 0")
	}
	return nil, fmt.Errorf("the spec's process ended without a result (%w); its last words: %s",
		errors.Join(waitErr, readErr), lastWords(output.String()))
}

func read(messages io.Reader, staged func()) (result *report.SpecResult, err error) {
	decoder := json.NewDecoder(messages)
	for {
		var message stage.Message
		if err := decoder.Decode(&message); err != nil {
			if errors.Is(err, io.EOF) {
				return result, nil
			}
			return result, fmt.Errorf("cannot read the spec's result: %w", err)
		}
		if message.Staged {
			staged()
		}
		if message.Result != nil {
			result = message.Result
		}
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
