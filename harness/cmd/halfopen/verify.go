package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/image"
	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/predict"
	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/runner"
	"github.com/halfopen/halfopen/harness/sandbox"
	"github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/vm"
)

// verifyFlags say how a prediction is proved.
type verifyFlags struct {
	Verify   bool          `help:"Stage every row with these settings and say whether the kernel agrees: in a guest, in virtual time, or without QEMU on the running kernel."`
	Kernel   string        `placeholder:"K" help:"With --verify, the guest's kernel: debian:SERIES, installed, a file (with ,MODULES), a folder of .deb files; debian:6.12, or what is cached, if not given."`
	Real     bool          `help:"With --verify, use the running kernel and the wall clock."`
	Family   int           `default:"4" help:"With --verify, stage over IPv4 or IPv6: 4 or 6. The prediction is the same, for TCP's timers know no family."`
	Patience time.Duration `default:"2m" help:"With --verify on the wall clock, leave out the rows that take longer."`
	Mirror   string        `placeholder:"URL" help:"With --kernel debian:SERIES, the archive; apt's own if not given."`
}

// defaultPatience is the flag's default.
const defaultPatience = 2 * time.Minute

// defaultFamily is the flag's default.
const defaultFamily = 4

// defaultGuest is the kernel of a guest where none is named and it can be had.
const defaultGuest = "debian:6.12"

func (f verifyFlags) check(hz int) error {
	switch {
	case !f.Verify && (f.Kernel != "" || f.Real || f.Mirror != "" || f.Patience != defaultPatience || f.Family != defaultFamily):
		return errors.New("--kernel, --real, --family, --patience and --mirror go with --verify")
	case f.Family != 4 && f.Family != 6:
		return fmt.Errorf("--family is 4 or 6, not %d", f.Family)
	case f.Kernel != "" && f.Real:
		return errors.New("--kernel is a guest's and --real the running kernel: give one")
	case f.Verify && hz != 0:
		return errors.New("--hz is another kernel's, and --verify stages on one whose HZ is known: give one")
	case f.Patience <= 0:
		return fmt.Errorf("--patience is more than nothing, not %v", f.Patience)
	}
	return nil
}

// choose finds the kernel to verify on: the running one, or a guest's, whose image is made ready.
func (f verifyFlags) choose(ctx context.Context, running target) (target, error) {
	if f.Real || sandbox.Inside() {
		return running, nil
	}
	if err := vm.Available(); err != nil {
		if f.Kernel != "" {
			return target{}, err
		}
		fmt.Fprintf(os.Stderr, "on the running kernel and the wall clock: %v\n", err)
		return running, nil
	}
	name := f.Kernel
	if name == "" {
		name = cachedGuest()
	}
	names, err := kernelNames([]string{name})
	if err != nil {
		return target{}, err
	}
	boot, err := image.Pull(ctx, names[0], image.Options{Mirror: f.Mirror})
	if err != nil {
		return target{}, err
	}
	release, err := kernel.ParseRelease(boot.Release)
	if err != nil {
		return target{}, err
	}
	on := target{name: names[0], image: true, release: release, hz: boot.HZ, machine: running.machine, uname: boot.Release}
	if on.hz == 0 {
		on.hz = running.hz // its configuration is not known; the guest tells
	}
	return on, nil
}

// cachedGuest is defaultGuest, or the newest kernel of a distribution in the cache if that one is not there.
func cachedGuest() string {
	cached, err := image.Cached(image.Options{})
	if err != nil {
		return defaultGuest
	}
	var best string
	var newest kernel.Version
	for _, each := range cached {
		release, err := kernel.ParseRelease(each.Release)
		switch {
		case each.Name == defaultGuest:
			return defaultGuest
		case err == nil && strings.HasPrefix(each.Name, "debian:") && release.AtLeast(newest):
			best, newest = each.Name, release
		}
	}
	if best == "" {
		return defaultGuest
	}
	return best
}

// verification is what a kernel made of the rows.
type verification struct {
	checks  []predict.Check
	specs   []report.SpecResult
	kernel  report.Kernel
	clock   string
	family  int
	guest   float64 // seconds of the specs on their own clock
	wall    time.Duration
	folder  string // the packets of what disagrees
	trouble []string
}

// verify stages the rows of the settings: on the running kernel in namespaces of the program's own, whose
// copy of it is told what the system's settings were.
func (f verifyFlags) verify(ctx context.Context, on target, system, settings predict.Settings, rows []predict.Row) (v verification, err error) {
	patience, slack := time.Duration(0), time.Duration(0)
	if !on.image {
		told, err := json.Marshal(system)
		if err != nil {
			return v, err
		}
		if err := os.Setenv(predictEnv, string(told)); err != nil {
			return v, err
		}
		if err := sandbox.Enter(sandbox.Options{}); err != nil {
			return v, err
		}
		patience, slack = f.Patience, stage.RealClockSlack
	}
	v.family = f.Family
	plan := proofs(rows, f.Family, patience)
	if len(plan) == 0 {
		return v, fmt.Errorf("nothing can be verified within --patience %v: give it more, or a guest with --kernel", patience)
	}
	if v.folder, err = os.MkdirTemp("", "halfopen-predict-"); err != nil {
		return v, fmt.Errorf("cannot make a folder for the packets: %w", err)
	}
	profile := string(settings.Profile(on.release, on.hz))
	began := time.Now()
	if on.image {
		err = f.inGuest(ctx, on, profile, plan, &v)
	} else {
		fmt.Fprintf(os.Stderr, "staging %d rows on the running kernel, on the wall clock\n", len(plan))
		v.kernel, v.clock = on.kernel(), string(vm.Real)
		v.specs, err = runner.Run(ctx, plan, runner.Options{Profile: profile, Out: v.folder, Procs: runner.DefaultProcs()})
		v.guest = time.Since(began).Seconds()
	}
	v.wall = time.Since(began)
	if err != nil {
		return v, errors.Join(err, os.RemoveAll(v.folder))
	}
	v.checks = predict.Judge(settings, cmp.Or(v.kernel.HZ, on.hz), v.specs, patience, slack)
	if !slices.ContainsFunc(v.specs, func(s report.SpecResult) bool { return s.Verdict != report.Pass }) && v.count(predict.Disagrees) == 0 {
		err, v.folder = os.RemoveAll(v.folder), ""
	}
	return v, err
}

func (f verifyFlags) inGuest(ctx context.Context, on target, profile string, plan []runner.Job, v *verification) error {
	fmt.Fprintf(os.Stderr, "staging %d rows on %s, in virtual time\n", len(plan), on.name)
	flags := defaultGuestFlags
	flags.Kernel, flags.Mirror = on.name, f.Mirror
	g := &guestRun{
		flags: flags, name: on.name, plan: plan, out: v.folder,
		job:     guestJob{Profile: profile, Clock: vm.Virtual, Procs: guestProcs(flags.Memory)},
		begun:   func(guestBegun) {},
		started: func(runner.Job) {},
		decided: func(report.SpecResult) {},
		console: func(string) {},
	}
	r, err := g.run(ctx)
	v.specs, v.kernel, v.clock, v.guest, v.trouble = r.specs, r.begun.Kernel, string(vm.Virtual), r.seconds, r.trouble
	return errors.Join(err, r.ended)
}

// proofs are the specs that stage the rows over a family which can be staged within the patience, each once.
func proofs(rows []predict.Row, family int, patience time.Duration) []runner.Job {
	var plan []runner.Job
	for _, spec := range stage.Specs() {
		proves := func(r predict.Row) bool {
			_, provable := r.Provable(patience)
			return provable && r.Proves(spec.Claim, spec.Case)
		}
		if spec.Family == family && slices.ContainsFunc(rows, proves) {
			plan = append(plan, runner.Job{Spec: spec})
		}
	}
	return plan
}

func (v verification) count(verdict predict.Verdict) int {
	n := 0
	for _, check := range v.checks {
		if check.Verdict == verdict {
			n++
		}
	}
	return n
}

// summary says what came of it, and all that is known of what is no agreement.
func (v verification) summary() string {
	text := fmt.Sprintf("Linux %s, %s clock, over IPv%d: %d of %d rows agree", v.kernel.Release, v.clock, v.family, v.count(predict.Agrees), len(v.checks))
	if n := v.count(predict.Disagrees); n > 0 {
		text += fmt.Sprintf(", %d disagree", n)
	}
	if n := v.count(predict.Unverified); n > 0 {
		text += fmt.Sprintf(", %d not verified", n)
	}
	text += fmt.Sprintf("; %.0f s of its time in %.0f s.", v.guest, v.wall.Seconds())
	for _, line := range v.trouble {
		text += "\nthe guest's kernel complained: " + line
	}
	catalogue, err := claim.Load()
	for _, spec := range v.specs {
		if spec.Verdict != report.Pass && err == nil {
			proved, _ := catalogue.ByID(spec.Claim)
			text += fmt.Sprintf("\n\n%s: %s\n%s", spec.Verdict, spec.Title(), report.Explain(proved, spec))
		}
	}
	if v.folder != "" {
		text += "\n\nThe packets are in " + v.folder
	}
	return text
}

// verdict is the exit code: as of a run, a row that disagrees is a failure of the kernel or of the model, and
// a stage that could not be set is neither.
func (v verification) verdict() error {
	if v.count(predict.Disagrees) > 0 {
		return verdictError(exitFailed)
	}
	if slices.ContainsFunc(v.specs, func(s report.SpecResult) bool { return s.Verdict == report.Broken }) {
		return verdictError(exitUsage)
	}
	return nil
}
