package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/machine"
	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/runner"
	"github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/vm"
	"github.com/halfopen/halfopen/harness/vm/guest"
)

// guestJob is what the program does in a guest: the part of a run that needs the kernel.
type guestJob struct {
	Specs    []stage.Spec  `json:"specs"`  // in the order of the results
	Claims   []claim.Claim `json:"claims"` // that they prove: to find both out here was a quarter of the instructions up to the first spec
	Profile  string        `json:"profile"`
	Clock    vm.Clock      `json:"clock"`
	Sabotage string        `json:"sabotage,omitempty"`
	Procs    int           `json:"procs"`

	Serve bool `json:"serve,omitempty"` // it is a host of a lab outside and runs no specs
}

// guestNews is one message of a guest: one of its fields is set. The capture of a decided spec
// follows the JSON line as it is.
type guestNews struct {
	Begun   *guestBegun        `json:"begun,omitempty"`
	Started *int               `json:"started,omitempty"` // an index of guestJob.Specs
	Decided *report.SpecResult `json:"decided,omitempty"`
	Index   int                `json:"index,omitempty"` // of the decided spec
	Done    *guestDone         `json:"done,omitempty"`
}

type guestBegun struct {
	Kernel report.Kernel `json:"kernel"`
	Date   string        `json:"date"` // the guest's
}

type guestDone struct {
	Seconds float64 `json:"seconds"` // that the specs took, on the guest's clock
}

func (n guestNews) encode(capture []byte) ([]byte, error) {
	line, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	return append(append(line, '\n'), capture...), nil
}

func decodeNews(message []byte) (news guestNews, capture []byte, err error) {
	line, capture, _ := bytes.Cut(message, []byte{'\n'})
	if err := json.Unmarshal(line, &news); err != nil {
		return news, nil, fmt.Errorf("cannot understand what the guest says: %w", err)
	}
	return news, capture, nil
}

// guestResults is the folder in a guest in which specs leave their captures.
const guestResults = "/results"

// serveHost is PID 1's work in a machine that is a host of a lab.
func serveHost() error {
	line, err := guest.OpenControl()
	if err != nil {
		return err
	}
	return machine.Serve(line)
}

// inGuest is PID 1's work: it runs the specs and sends each result as soon as it is there.
func inGuest(encoded []byte, send func([]byte) error) int {
	if err := proveHere(encoded, send); err != nil {
		fmt.Fprintln(os.Stderr, "halfopen:", err)
		return exitUsage
	}
	return 0
}

func proveHere(encoded []byte, send func([]byte) error) error {
	var job guestJob
	if err := json.Unmarshal(encoded, &job); err != nil {
		return fmt.Errorf("cannot understand the job: %w", err)
	}
	if job.Serve {
		return serveHost()
	}
	var plan []runner.Job
	for _, spec := range job.Specs {
		plan = append(plan, runner.Job{Spec: spec, Sabotage: job.Sabotage})
	}
	tested, err := kernelHere()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(guestResults, 0o755); err != nil {
		return fmt.Errorf("cannot make a folder for the captures: %w", err)
	}
	if err := os.Setenv(stage.ClockEnv, string(job.Clock)); err != nil {
		return err
	}
	// The runner ends what is under way when a message cannot be sent: there is nobody to run for.
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	tell := func(news guestNews, capture []byte) {
		message, err := news.encode(capture)
		if err == nil {
			err = send(message)
		}
		if err != nil {
			stop(err)
		}
	}
	began := time.Now()
	tell(guestNews{Begun: &guestBegun{Kernel: tested, Date: report.Stamp(began)}}, nil)
	index := func(j runner.Job) int { return slices.Index(job.Specs, j.Spec) }
	_, err = runner.Run(ctx, plan, runner.Options{
		Profile: job.Profile, Out: guestResults, Procs: job.Procs, Batch: guestSpecs, Claims: job.Claims,
		Started: func(j runner.Job) {
			i := index(j)
			tell(guestNews{Started: &i}, nil)
		},
		Decided: func(j runner.Job, result report.SpecResult) {
			var capture []byte
			if result.Pcapng != "" {
				path := filepath.Join(guestResults, result.Pcapng)
				// A spec that died has no capture; its result says so.
				capture, _ = os.ReadFile(path)
				_ = os.Remove(path)
			}
			tell(guestNews{Decided: &result, Index: index(j)}, capture)
		},
	})
	tell(guestNews{Done: &guestDone{Seconds: time.Since(began).Seconds()}}, nil)
	return err
}
