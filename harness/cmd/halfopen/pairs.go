package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/image"
	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/runner"
	"github.com/halfopen/halfopen/harness/sandbox"
	"github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/vm"
)

type pairsCommand struct {
	Names    []string `arg:"" optional:"" name:"story|claim" help:"Stories or claims to prove, of those about two hosts on one network; those that only machines can prove and ${pairclaims} more if none is named."`
	Kernels  []string `placeholder:"K,K,..." help:"The kernels: every two of them meet, both ways round, and one alone meets itself. As for --kernel of run, or 'running' for a namespace of this machine's kernel; the oldest and the newest of fixtures/kernels.yaml if none is named."`
	Family   int      `default:"0" help:"4 or 6: one address family alone."`
	Out      string   `default:"halfopen-pairs" type:"path" help:"The folder for matrix.html, matrix.json and a folder per pair."`
	Seed     uint64   `default:"1" help:"The seed of everything random in the guests."`
	Mirror   string   `placeholder:"URL" help:"The archive of debian:SERIES; apt's own if not given."`
	Cache    string   `placeholder:"DIR" type:"path" help:"The folder of the images."`
	Sabotage string   `hidden:"" help:"As of run."`
}

// pairClaims are proved besides those that only machines can prove: what two hosts on one network do to
// each other when one of them crashes, loses its cable or ends in order.
var pairClaims = []string{
	"host-crash/reboot-rst", "host-crash/data-abort-etimedout", "host-crash/four-tuple-resets-old",
	"cable/replug-data-arrives", "cable/own-cable-ehostunreach",
}

// Run checks one pair after another: two machines and what watches them are enough for two processors.
func (c *pairsCommand) Run(ctx context.Context) error {
	catalogue, err := claim.Load()
	if err != nil {
		return err
	}
	plan, err := c.plan(catalogue)
	if err != nil {
		return err
	}
	names, err := c.kernels()
	if err != nil {
		return err
	}
	if err := vm.Available(); err != nil {
		return err
	}
	if err := report.PrepareFolder(c.Out); err != nil {
		return err
	}
	if err := c.pull(ctx, names); err != nil {
		return err
	}
	if err := sandbox.Enter(sandbox.Options{}); err != nil {
		return err
	}
	var titles []string
	pairs := pairsOf(names)
	for _, p := range pairs {
		titles = append(titles, p.title())
	}
	b := newBoard(os.Stdout, len(pairs))
	b.print("%d pairs of kernels, client>server, scaled profile, %d specs each", len(pairs), len(plan))
	side := sideBySide{names: titles, folders: foldersOf(titles), procs: 1, specs: len(plan), board: b}
	for i := range pairs {
		side.order = append(side.order, i)
	}
	side.prove = func(ctx context.Context, i int, watch watchKernel) (report.Run, []report.SpecResult, error) {
		return c.prove(ctx, catalogue, plan, pairs[i], filepath.Join(c.Out, side.folders[i]), watch)
	}
	began := time.Now()
	columns := side.run(ctx)
	b.close()
	m := matrixCommand{Out: c.Out}
	return m.finish(ctx, catalogue, columns, b, time.Since(began))
}

// pull fills the cache while there is a network: the pairs meet in namespaces that lead nowhere.
func (c *pairsCommand) pull(ctx context.Context, names []string) error {
	b := newBoard(os.Stdout, 1)
	defer b.close()
	for _, name := range names {
		if name == namespaces {
			continue
		}
		options := image.Options{Cache: c.Cache, Mirror: c.Mirror, Progress: func(p image.Progress) {
			b.set(0, fmt.Sprintf("%-13s %s %s %s", name, bar(p.Done, p.Total), p.Step, p.What))
		}}
		if _, err := image.Pull(ctx, name, options); err != nil {
			return err
		}
		b.set(0, "")
	}
	return nil
}

// plan are the specs to prove on each pair.
func (c *pairsCommand) plan(catalogue *claim.Catalogue) ([]runner.Job, error) {
	_, chosen, err := choose(c.Names, c.Family)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, each := range chosen {
		switch {
		case each.Machines:
			wanted[each.ID] = true
		case len(c.Names) == 0:
			wanted[each.ID] = slices.Contains(pairClaims, each.ID)
		default:
			wanted[each.ID] = each.RunsIn(string(kernel.Scaled))
		}
	}
	picked := runCommand{Family: c.Family, Sabotage: c.Sabotage}
	plan := picked.jobs(catalogue, wanted)
	if len(plan) == 0 {
		return nil, errors.New("nothing to prove: of what is named, nothing runs in the scaled profile")
	}
	return plan, nil
}

// namespaces is the name of the kernel whose hosts are namespaces: this machine's.
const namespaces = "running"

// kernels are the names asked for, or the oldest and the newest there are.
func (c *pairsCommand) kernels() ([]string, error) {
	if len(c.Kernels) == 0 {
		all, err := kernelNames(nil)
		if err != nil {
			return nil, err
		}
		return []string{all[0], all[len(all)-1]}, nil
	}
	var names []string
	for _, name := range c.Kernels {
		if name != namespaces {
			full, err := kernelNames([]string{name})
			if err != nil {
				return nil, err
			}
			name = full[0]
		}
		names = append(names, name)
	}
	if len(names) == 1 && names[0] == namespaces {
		return nil, errors.New("the running kernel meets itself in `halfopen run`; name a kernel for a machine as well")
	}
	return names, nil
}

// pair is two kernels, a client's and a server's.
type pair struct{ client, server string }

// title names the pair without what all names have in common.
func (p pair) title() string {
	short := func(name string) string { return strings.TrimPrefix(name, "debian:") }
	return short(p.client) + ">" + short(p.server)
}

// pairsOf are every two of the kernels, both ways round.
func pairsOf(names []string) []pair {
	if len(names) == 1 {
		return []pair{{names[0], names[0]}}
	}
	var pairs []pair
	for i, client := range names {
		for _, server := range names[i+1:] {
			pairs = append(pairs, pair{client, server}, pair{server, client})
		}
	}
	return pairs
}

// prove proves the plan on one pair, in one process, so that its machines are booted once for all specs
// that leave them as they were.
func (c *pairsCommand) prove(ctx context.Context, catalogue *claim.Catalogue, plan []runner.Job, p pair, folder string, watch watchKernel) (report.Run, []report.SpecResult, error) {
	hosts := map[string]stage.Machine{}
	var releases []string
	for i, host := range []struct{ name, kernel string }{{"client", p.client}, {"server", p.server}} {
		if host.kernel == namespaces {
			here, err := kernelHere()
			if err != nil {
				return report.Run{}, nil, err
			}
			releases = append(releases, here.Release)
			continue
		}
		boot, err := image.Pull(ctx, host.kernel, image.Options{Cache: c.Cache, Mirror: c.Mirror})
		if err != nil {
			return report.Run{}, nil, err
		}
		releases = append(releases, boot.Release)
		job, err := json.Marshal(guestJob{Serve: true})
		if err != nil {
			return report.Run{}, nil, err
		}
		guest := vm.Kernel{Path: boot.Kernel, PVH: boot.PVH, BzImage: boot.BzImage}
		for _, module := range boot.Load(append(slices.Clone(labModules), "virtio_net")...) {
			guest.Modules = append(guest.Modules, module.Path)
		}
		hosts[host.name] = stage.Machine{Kernel: guest, Job: job, Seed: c.Seed + uint64(i)}
	}
	if err := report.PrepareFolder(folder); err != nil {
		return report.Run{}, nil, err
	}
	release, err := occupy(folder)
	if err != nil {
		return report.Run{}, nil, err
	}
	defer release()
	machines, err := stage.Machines(hosts)
	if err != nil {
		return report.Run{}, nil, err
	}
	began := time.Now()
	specs, interrupted := runner.Run(ctx, plan, runner.Options{
		Profile: string(kernel.Scaled), Out: folder, Procs: 1, Batch: len(plan), Env: []string{machines},
		Started: func(job runner.Job) { watch.Step(title(job.Spec)) },
		Decided: func(_ runner.Job, result report.SpecResult) { watch.Decided(result) },
	})
	for i := range specs {
		if specs[i].Rerun != "" {
			specs[i].Rerun = fmt.Sprintf("%s pairs --kernels %s,%s %s --family %d", program(), p.client, p.server, specs[i].Claim, specs[i].Family)
		}
	}
	run := report.Run{
		Kernel: report.Kernel{Name: p.title(), Release: releases[0] + " > " + releases[1], Version: "machines", Machine: "x86_64"},
		Pair:   []string{p.client, p.server}, Clock: string(vm.Real), Profile: string(kernel.Scaled), Family: c.Family, Sabotage: c.Sabotage,
		Started: report.Stamp(began), Seconds: time.Since(began).Seconds(), Complete: interrupted == nil, Claims: report.Results(catalogue, specs),
	}
	return run, specs, errors.Join(interrupted, write(folder, catalogue, specs, run))
}
