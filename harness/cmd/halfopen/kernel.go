package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/kernel"
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
// around it has: it decides what the guest does when. A process that runs many specs and those on its two
// hosts take up to 48 MiB, and the program and the kernel 160 (seven get by with 412). On the virtual clock more
// of them at once win little: waiting is free there but for what the kernel does by itself.
func guestProcs(memory int) int { return max(1, (memory-160)/48) }

// proveInGuest is prove for a kernel that is booted for it.
func (c *runCommand) proveInGuest(ctx context.Context, catalogue *claim.Catalogue, plan []runner.Job) error {
	release, err := occupy(c.Out)
	if err != nil {
		return err
	}
	defer release()
	printer := c.teller()
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
	err = write(c.Out, catalogue, r.specs, report.Run{
		Kernel: r.begun.Kernel, Clock: c.Clock, Seed: r.outcome.Seed, Attempts: r.outcome.Attempts, Profile: c.Profile, Family: c.Family,
		Sabotage: c.Sabotage, Started: r.begun.Date, Seconds: r.seconds, Complete: interrupted == nil, Claims: results,
	})
	printer.Finish(report.Closing{Folder: c.Out, Seconds: r.seconds})
	if r.outcome.Attempts > 1 {
		printer.Remark(fmt.Sprintf("a guest died before its kernel was up and was started again, with seed %d", r.outcome.Seed))
	}
	for _, line := range r.trouble {
		printer.Remark("the guest's kernel complained: " + line)
	}
	if c.Trace {
		o := r.outcome
		fmt.Fprintf(os.Stderr, "| %d guests, %d booted: up after %.2f s of processor time (%.2f s guest), in all %.2f s of processor time, %.2f s wall, %.1f s guest, attempts %d\n",
			len(g.guests), r.booted, o.UpCPU.Seconds(), o.Up.Seconds(), o.CPU.Seconds(), o.Wall.Seconds(), o.Lasted.Seconds(), o.Attempts)
	}
	if err := errors.Join(err, interrupted, c.tellGitHub(r.specs)); err != nil {
		return err
	}
	if code := report.ExitCode(results); code != 0 {
		return verdictError(code)
	}
	return nil
}
