package main

import (
	"cmp"
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
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/runner"
	"github.com/halfopen/halfopen/harness/vm"
)

// guestFlags choose the kernel to check and the machine it is checked in.
type guestFlags struct {
	Kernel string        `placeholder:"K" help:"Check this kernel in a virtual machine: debian:SERIES, installed, a file (with ,MODULES), a folder of .deb files."`
	Clock  string        `default:"virtual" enum:"virtual,real" help:"With --kernel, the clock: ${enum}."`
	Seed   uint64        `default:"1" help:"With --kernel, the seed of everything random in the guest."`
	Append string        `placeholder:"PARAMETERS" help:"With --kernel, further parameters of the kernel."`
	Memory int           `default:"512" help:"With --kernel, the guest's memory in MiB."`
	Budget time.Duration `default:"10m" help:"With --kernel, how long the guest may take on the wall clock."`
	Mirror string        `placeholder:"URL" help:"With --kernel debian:SERIES, the archive; apt's own if not given."`
	Trace  bool          `hidden:"" help:"With --kernel, print the guest's console and what the guest cost."`
}

// defaultGuestFlags are the flags' values where none is given.
var defaultGuestFlags = guestFlags{Clock: string(vm.Virtual), Seed: 1, Memory: 512, Budget: 10 * time.Minute}

// ownProfile is the profile where none is asked for: a guest on the virtual clock does not mind how
// long the kernel's own timeouts are.
func (f guestFlags) ownProfile() string {
	if f.Kernel != "" {
		return string(kernel.Defaults)
	}
	return string(kernel.Scaled)
}

// labModules are the modules without which a lab has no cables, no firewall or no eyes. What they
// need comes with them; a kernel that has one built in, or not at all, does without.
var labModules = []string{
	"virtio_mmio", "virtio_pci", "virtio_console",
	"veth", "bridge", "af_packet", "inet_diag", "tcp_diag",
	"nf_tables", "nf_tables_set", "nft_reject", "nft_reject_ipv4", "nft_reject_ipv6", "nft_reject_inet", "nft_numgen", "nft_counter", "nft_limit",
	"nft_meta_bridge", "nft_reject_bridge",
	"nf_conntrack", "nf_conntrack_netlink", "nft_ct", "nf_nat", "nft_chain_nat", "nft_masq", "nft_nat",
}

// guestProcs is how many specs run at once in a guest of so much memory (MiB), whatever the machine
// around it has: it decides what the guest does when. A process that runs many specs takes up to 32 MiB,
// its two hosts' processes as much again, and the program and the kernel 160. On the virtual clock more
// of them at once win nothing: waiting is free there.
func guestProcs(memory int) int { return max(1, (memory-160)/64) }

// guestRun is one run in one guest.
type guestRun struct {
	flags    guestFlags
	name     string // the kernel's, as it was given
	job      guestJob
	plan     []runner.Job
	out      string
	images   image.Options // but for Mirror, which is the flags'
	begun    func(guestBegun)
	started  func(runner.Job)
	decided  func(report.SpecResult)
	console  func(string)
	underway map[int]bool
	results  []*report.SpecResult
}

// guestReport is what a run in a guest gives.
type guestReport struct {
	begun   guestBegun
	seconds float64 // on the guest's clock
	specs   []report.SpecResult
	outcome vm.Outcome
	trouble []string // lines on which the guest's kernel complained, each with the specs that ran
	ended   error    // why the guest did not decide all; nil if it did
}

// run boots the kernel and proves the plan in it. Specs that the guest could not decide are broken,
// and say why; the error is for what is in the way of any result at all.
func (g *guestRun) run(ctx context.Context) (guestReport, error) {
	var r guestReport
	g.images.Mirror = g.flags.Mirror
	boot, err := image.Pull(ctx, g.name, g.images)
	if err != nil {
		return r, err
	}
	for _, job := range g.plan {
		g.job.Specs = append(g.job.Specs, job.Spec.Text)
	}
	encoded, err := json.Marshal(g.job)
	if err != nil {
		return r, err
	}
	config := vm.Config{
		Kernel: vm.Kernel{Path: boot.Kernel, PVH: boot.PVH, BzImage: boot.BzImage},
		Job:    encoded, Clock: g.job.Clock, Seed: g.flags.Seed, Append: g.flags.Append,
		Memory: g.flags.Memory, Budget: g.flags.Budget,
	}
	if config.Programs, err = programsOf(g.plan); err != nil {
		return r, err
	}
	for _, module := range boot.Load(labModules...) {
		config.Kernel.Modules = append(config.Kernel.Modules, module.Path)
	}
	g.results, g.underway = make([]*report.SpecResult, len(g.plan)), map[int]bool{}
	r.begun.Kernel.Release = boot.Release
	r.outcome, err = vm.Run(ctx, config, vm.Watch{
		Console: g.console,
		Message: func(message []byte) error { return g.take(message, &r) },
		Trouble: func(line string) { r.trouble = append(r.trouble, line+g.meanwhile()) },
	})
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, vm.ErrNoQEMU), errors.Is(err, vm.ErrNotStatic):
		return r, err
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
	return r, err
}

// programsOf are the programs that the claims to be proved name and that this machine has: a guest has
// nothing else. What cannot come along is not installed there.
func programsOf(plan []runner.Job) ([]string, error) {
	catalogue, err := claim.Load()
	if err != nil {
		return nil, err
	}
	var programs []string
	for _, job := range plan {
		proved, _ := catalogue.ByID(job.Spec.Claim)
		if proved.Program == "" {
			continue
		}
		path, err := process.FindProgram(proved.Program)
		if err == nil && vm.Complete(path) && !slices.Contains(programs, path) {
			programs = append(programs, path)
		}
	}
	return programs, nil
}

// take takes one message of the guest.
func (g *guestRun) take(message []byte, r *guestReport) error {
	news, capture, err := decodeNews(message)
	if err != nil {
		return err
	}
	switch {
	case news.Begun != nil:
		r.begun = *news.Begun
		g.begun(r.begun)
	case news.Started != nil:
		if *news.Started < 0 || *news.Started >= len(g.plan) {
			return fmt.Errorf("the guest started spec %d, which it was not given", *news.Started)
		}
		g.underway[*news.Started] = true
		g.started(g.plan[*news.Started])
	case news.Decided != nil:
		if news.Index < 0 || news.Index >= len(g.plan) {
			return fmt.Errorf("the guest decided spec %d, which it was not given", news.Index)
		}
		return g.decide(news.Index, *news.Decided, capture)
	case news.Done != nil:
		r.seconds = news.Done.Seconds
	}
	return nil
}

func (g *guestRun) decide(index int, result report.SpecResult, capture []byte) error {
	delete(g.underway, index)
	if result.Rerun != "" {
		result.Rerun += " --kernel " + g.name
	}
	g.results[index] = &result
	g.decided(result)
	if len(capture) == 0 {
		return nil
	}
	// The name comes from inside the guest: no path of it may lead out of the folder.
	return report.WriteFile(filepath.Join(g.out, filepath.Base(result.Pcapng)), capture)
}

// meanwhile names the specs under way.
func (g *guestRun) meanwhile() string {
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
func (g *guestRun) breakRest(why error) {
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

// proveInGuest is prove for a kernel that is booted for it.
func (c *runCommand) proveInGuest(ctx context.Context, catalogue *claim.Catalogue, plan []runner.Job) error {
	release, err := occupy(c.Out)
	if err != nil {
		return err
	}
	defer release()
	tty, width, color := report.Terminal(os.Stdout)
	printer := report.New(os.Stdout, tty, width, color)
	printer.Folder = c.Out
	begun := false
	begin := func(b guestBegun) {
		begun = true
		printer.Begin(fmt.Sprintf("Linux %s (HZ %d) in a guest on the %s clock, %s profile, %s",
			b.Kernel.Release, b.Kernel.HZ, c.Clock, c.Profile, c.extent(catalogue, plan)), planned(catalogue, plan))
	}
	g := &guestRun{
		flags: c.guestFlags, name: c.Kernel, plan: plan, out: c.Out,
		job:     guestJob{Profile: c.Profile, Clock: vm.Clock(c.Clock), Sabotage: c.Sabotage, Procs: min(guestProcs(c.Memory), cmp.Or(c.Procs, guestProcs(c.Memory)))},
		begun:   begin,
		started: func(job runner.Job) { printer.Start(title(job.Spec)) },
		decided: func(result report.SpecResult) {
			if !begun {
				begin(guestBegun{Kernel: report.Kernel{Release: "that did not boot"}})
			}
			printer.Done(result)
		},
		console: func(line string) {
			if c.Trace {
				fmt.Fprintln(os.Stderr, "|", line)
			}
		},
	}
	r, interrupted := g.run(ctx)
	if interrupted != nil && !begun {
		return interrupted
	}
	results := report.Results(catalogue, r.specs)
	err = write(c.Out, c.Kernel, catalogue, r.specs, report.Run{
		Kernel: r.begun.Kernel, Clock: c.Clock, Seed: r.outcome.Seed, Attempts: r.outcome.Attempts, Profile: c.Profile, Family: c.Family,
		Sabotage: c.Sabotage, Started: r.begun.Date, Seconds: r.seconds, Complete: interrupted == nil, Claims: results,
	})
	printer.Finish(report.Closing{Folder: c.Out, Seconds: r.seconds})
	if r.outcome.Attempts > 1 {
		fmt.Printf("the guest died before its kernel was up and was started again, with seed %d\n", r.outcome.Seed)
	}
	for _, line := range r.trouble {
		fmt.Println("the guest's kernel complained:", line)
	}
	if c.Trace {
		o := r.outcome
		fmt.Fprintf(os.Stderr, "| up after %.2f s of processor time (%.2f s guest), in all %.2f s of processor time, %.2f s wall, %.1f s guest, attempts %d\n",
			o.UpCPU.Seconds(), o.Up.Seconds(), o.CPU.Seconds(), o.Wall.Seconds(), o.Lasted.Seconds(), o.Attempts)
	}
	if err := errors.Join(err, interrupted); err != nil {
		return err
	}
	if code := report.ExitCode(results); code != 0 {
		return verdictError(code)
	}
	return nil
}
