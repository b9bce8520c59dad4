package compare_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/fixtures"
	"github.com/halfopen/halfopen/harness/baseline"
	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/compare"
	"github.com/halfopen/halfopen/harness/internal/jsonschema"
	"github.com/halfopen/halfopen/harness/report"
)

// The files of testdata are of real runs: `halfopen run --kernel debian:6.1 open`, the same of debian:6.12, and
// the claims of window out of three runs of debian:6.12 with the seeds 1, 2 and 3.

func catalogue(t *testing.T) *claim.Catalogue {
	t.Helper()
	c, err := claim.Load()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c
}

func kept(t *testing.T, name string) report.Run {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	b, ok := baseline.Parse(data)
	NewWithT(t).Expect(ok).To(BeTrue(), name)
	return b.Run()
}

func side(t *testing.T, label string, runs ...report.Run) compare.Side {
	t.Helper()
	s, err := compare.NewSide(label, runs...)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return s
}

func compared(t *testing.T, before, after compare.Side) compare.Comparison {
	t.Helper()
	c, err := compare.Of(catalogue(t), before, after, nil)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c
}

func changeOf(t *testing.T, c compare.Comparison, id string) compare.Change {
	t.Helper()
	for _, change := range c.Changes {
		if change.Claim == id {
			return change
		}
	}
	t.Fatalf("%s is not among the changes", id)
	return compare.Change{}
}

func TestWhatAnUpgradeFrom61To612MeansForAConnectionThatCannotBeOpened(t *testing.T) {
	g := NewWithT(t)
	c := compared(t, side(t, "debian-6.1", kept(t, "debian-6.1")), side(t, "debian-6.12", kept(t, "debian-6.12")))

	ladder := changeOf(t, c, "open/syn-ladder")
	g.Expect(ladder.Families).To(Equal([]int{4, 6}))
	g.Expect(ladder.Kind).To(Equal(compare.Behaviour))
	g.Expect(ladder.Moved).To(ContainElement(And(HaveField("Name", "syns"), HaveField("Old", "7"), HaveField("New", "11"))))
	g.Expect(ladder.Meaning[0]).To(MatchRegexp(`^An application learns of the end up to 3\.\d+ s later`))
	g.Expect(ladder.Expected).To(Equal([]string{
		"6.1 doubles the interval of one second each time",
		"6.12, as each release since 6.5, sends the first copies a second apart and doubles the interval after the fifth",
	}))
	g.Expect(ladder.Releases).To(HaveLen(1))
	note := c.Releases[ladder.Releases[0]]
	g.Expect(note.Since).To(Equal("6.5"))
	g.Expect(note.Sources).To(ContainElement("commit ccce324dabfe"))
	g.Expect(note.Shown).To(BeTrue())

	added := changeOf(t, c, "open/syn-ladder-not-linear")
	g.Expect(added.Kind).To(Equal(compare.Appeared))
	g.Expect(added.Meaning).To(Equal([]string{
		"6.12 has sysctl tcp_syn_linear_timeouts, which 6.1 has not: applications and administrators can use it from here on.",
	}))
	g.Expect(c.Changes).To(HaveLen(5))
	g.Expect(c.Settings).To(ContainElement(compare.Setting{Name: "net.ipv4.tcp_syn_linear_timeouts", Old: "", New: "4"}))
	g.Expect(c.ExitCode()).To(Equal(1))

	text := c.Text(80, false)
	g.Expect(text).To(ContainSubstring("\nopen/syn-default-lifetime  IPv4 IPv6\n"))
	g.Expect(text).To(ContainSubstring("              syns: 7 -> 11\n"))
	g.Expect(text).To(ContainSubstring("aborted_after: 250.0 s -> 255.9 s (over IPv4)"))
	g.Expect(text).NotTo(ContainSubstring("expected: doubling"), "a sentence says it")
	g.Expect(text).NotTo(ContainSubstring("\x1b"))
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(line, "OLD") && !strings.HasPrefix(line, "NEW") {
			g.Expect(utf8.RuneCountInString(line)).To(BeNumerically("<=", 80), line)
		}
	}
	g.Expect(c.Text(80, true)).To(ContainSubstring("\x1b["))

	markdown := c.Markdown()
	g.Expect(markdown).To(ContainSubstring("| **open/syn-ladder**: An unanswered SYN is repeated"))
	g.Expect(markdown).To(ContainSubstring("| unsupported | pass |"))
	g.Expect(markdown).To(ContainSubstring("2. **6.5**: The first four timeouts"))

	encoded, err := c.JSON()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(jsonschema.Refused(fixtures.ComparisonSchema, encoded)).To(BeEmpty())
}

func TestADowngradeReadsTheOtherWay(t *testing.T) {
	g := NewWithT(t)
	c := compared(t, side(t, "debian-6.12", kept(t, "debian-6.12")), side(t, "debian-6.1", kept(t, "debian-6.1")))
	g.Expect(changeOf(t, c, "open/syn-ladder").Meaning[0]).To(MatchRegexp(`up to 3\.\d+ s sooner`))
	gone := changeOf(t, c, "open/syn-ladder-not-linear")
	g.Expect(gone.Kind).To(Equal(compare.Went))
	g.Expect(gone.Meaning).To(Equal([]string{"6.1 has no sysctl tcp_syn_linear_timeouts any more: what sets or uses it fails there."}))
	g.Expect(gone.Releases).To(HaveLen(1))
}

// Three seeds of one kernel moved by up to 4 s, through the timer wheel alone.
func TestAnotherSeedIsNoChange(t *testing.T) {
	g := NewWithT(t)
	seeds := []report.Run{kept(t, "window-seed-1"), kept(t, "window-seed-2"), kept(t, "window-seed-3")}
	varied := 0
	for i, a := range seeds {
		for j, b := range seeds {
			c := compared(t, side(t, "a", a), side(t, "b", b))
			g.Expect(c.Changes).To(BeEmpty(), "seeds %d and %d", i+1, j+1)
			g.Expect(c.ExitCode()).To(Equal(0))
			g.Expect(c.Text(0, false)).To(ContainSubstring("nothing changed in 52 verdicts"))
			varied += len(c.Variations)
			if i == j {
				g.Expect(c.Variations).To(BeEmpty())
			}
		}
	}
	g.Expect(varied).To(BeNumerically(">", 0))

	both := compared(t, side(t, "a", seeds[0], seeds[1]), side(t, "b", seeds[2]))
	one := compared(t, side(t, "a", seeds[0]), side(t, "b", seeds[2]))
	g.Expect(len(both.Variations)).To(BeNumerically("<=", len(one.Variations)), "two seeds span more than one")
}

// edited is a copy of a run with one result changed.
func edited(run report.Run, id string, edit func(*report.Result)) report.Run {
	run.Claims = append([]report.Result{}, run.Claims...)
	for i := range run.Claims {
		if run.Claims[i].ID == id {
			observations := map[string]report.Value{}
			for name, value := range run.Claims[i].Observations {
				observations[name] = value
			}
			run.Claims[i].Observations = observations
			edit(&run.Claims[i])
		}
	}
	return run
}

func set(name string, value any, unit string) func(*report.Result) {
	return func(r *report.Result) { r.Observations[name] = report.Value{Value: value, Unit: unit} }
}

func TestTheSameGuestMayNotMoveAtAll(t *testing.T) {
	g := NewWithT(t)
	run := kept(t, "debian-6.12")
	run.Halfopen = "v1.2.3"
	later := edited(run, "open/syn-ladder", func(r *report.Result) {
		set("aborted_after", r.Observations["aborted_after"].Value.(float64)+0.001, "s")(r)
	})
	c := compared(t, side(t, "a", run), side(t, "b", later))
	g.Expect(c.Changes).To(HaveLen(1))
	g.Expect(c.Rule).To(ContainSubstring("whatever moved counts"))

	// Nobody knows what a program with changes was, and other claims beside it move a spec's timers.
	later.Halfopen, run.Halfopen = "v1.2.3+dirty", "v1.2.3+dirty"
	g.Expect(compared(t, side(t, "a", run), side(t, "b", later)).Changes).To(BeEmpty())
	later.Halfopen, run.Halfopen = "v1.2.3", "v1.2.3"
	later.Claims = later.Claims[1:]
	g.Expect(compared(t, side(t, "a", run), side(t, "b", later)).Changes).To(BeEmpty())
}

func TestAnotherErrnoIsTheWeightiest(t *testing.T) {
	g := NewWithT(t)
	old := kept(t, "debian-6.12")
	c := compared(t, side(t, "a", old), side(t, "b", edited(old, "open/rebooted-server-refuses", func(r *report.Result) {
		set("errno", "ECONNRESET", "")(r)
		set("detected_after", 3.0, "s")(r)
	})))
	g.Expect(c.Changes).To(HaveLen(1))
	g.Expect(c.Changes[0].Meaning).To(HaveExactElements(
		"An application is told ECONNRESET where it was told ECONNREFUSED: code that tells errors apart takes another branch.",
		MatchRegexp(`^An application learns of the end up to 1\.9\d s later`),
	))
	g.Expect(c.Text(0, false)).NotTo(ContainSubstring("release "), "one release has nothing to explain")
}

func TestAClaimThatIsNotKeptAnyMore(t *testing.T) {
	g := NewWithT(t)
	old, broken := kept(t, "debian-6.1"), kept(t, "debian-6.12")
	broken = edited(broken, "open/refused", func(r *report.Result) {
		r.Verdict, r.Reason = report.Fail, "Expected\n  ETIMEDOUT"
	})
	c := compared(t, side(t, "a", old), side(t, "b", broken))
	change := changeOf(t, c, "open/refused")
	g.Expect(change.Kind).To(Equal(compare.Broke))
	g.Expect(change.Meaning[0]).To(HavePrefix("The sentence does not hold on 6.12 any more"))
	text := c.Text(0, false)
	g.Expect(text).To(ContainSubstring("open/refused  IPv4 IPv6   pass -> fail"))
	g.Expect(text).To(ContainSubstring("no change that halfopen knows of explains it"))
	g.Expect(text).To(ContainSubstring("1 not kept any more"))

	back := compared(t, side(t, "a", broken), side(t, "b", old))
	g.Expect(changeOf(t, back, "open/refused").Kind).To(Equal(compare.Kept))
}

// A broken stage says nothing of a kernel, so it is no change, and no proof that there is none.
func TestABrokenStageLeavesItOpen(t *testing.T) {
	g := NewWithT(t)
	old := kept(t, "debian-6.12")
	c := compared(t, side(t, "a", old), side(t, "b", edited(old, "open/refused", func(r *report.Result) { r.Verdict = report.Broken })))
	g.Expect(c.Changes).To(BeEmpty())
	g.Expect(c.ExitCode()).To(Equal(2))
	g.Expect(c.Text(0, false)).To(ContainSubstring("not compared, a stage broke, which says nothing of the kernel: run them again: open/refused"))

	again := compared(t, side(t, "a", old), side(t, "b", edited(old, "open/refused", func(r *report.Result) { r.Verdict = report.Broken }), old))
	g.Expect(again.ExitCode()).To(Equal(0), "another run of NEW decided it")
}

func TestAProgramThatIsNotInstalledIsNoMatterOfTheKernel(t *testing.T) {
	g := NewWithT(t)
	const id = "application/detection-nginx-keepalive-timeout"
	proved, known := catalogue(t).ByID(id)
	g.Expect(known).To(BeTrue())
	g.Expect(proved.Program).NotTo(BeEmpty())
	with := func(verdict report.Verdict) report.Run {
		run := kept(t, "debian-6.12")
		run.Claims = append(run.Claims, report.Result{ID: id, Family: 4, Verdict: verdict})
		return run
	}
	c := compared(t, side(t, "a", with(report.Pass)), side(t, "b", with(report.Unsupported)))
	g.Expect(c.ExitCode()).To(Equal(0))
	g.Expect(c.NotCompared).To(ConsistOf(HaveField("Why", ContainSubstring("a program that they need"))))
	g.Expect(compared(t, side(t, "a", with(report.Pass)), side(t, "b", with(report.Fail))).ExitCode()).To(Equal(1))
}

func TestClaimsOfOneSideAloneAreNotChanges(t *testing.T) {
	g := NewWithT(t)
	old, part := kept(t, "debian-6.12"), kept(t, "debian-6.12")
	part.Claims = part.Claims[:4]
	c := compared(t, side(t, "a", old), side(t, "b", part))
	g.Expect(c.ExitCode()).To(Equal(0))
	g.Expect(c.NotCompared).To(HaveLen(1))
	g.Expect(c.Text(0, false)).To(MatchRegexp(`not compared, OLD alone has them: nothing is known of them on NEW: 18 claims,\s18 of open`))

	part.Complete = false
	g.Expect(compared(t, side(t, "a", old), side(t, "b", part)).ExitCode()).To(Equal(2), "it was interrupted")

	part.Claims = nil
	_, err := compare.Of(catalogue(t), side(t, "a", old), side(t, "b", part), nil)
	g.Expect(err).To(MatchError(compare.ErrNothingInCommon))
	_, err = compare.Of(catalogue(t), side(t, "a", old), side(t, "b", old), func(string) bool { return false })
	g.Expect(err).To(MatchError(compare.ErrNothingInCommon))
}

func TestOtherProfilesLeaveVerdictsAndNames(t *testing.T) {
	g := NewWithT(t)
	old, scaled := kept(t, "debian-6.12"), kept(t, "debian-6.12")
	scaled.Profile, scaled.Clock, scaled.Kernel.Release = "scaled", "real", "6.12.200"
	scaled = edited(scaled, "open/syn-ladder", func(r *report.Result) {
		set("aborted_after", 7.0, "s")(r)
		set("syns", 3, "1")(r)
	})
	c := compared(t, side(t, "a", old), side(t, "b", scaled))
	g.Expect(c.Changes).To(BeEmpty())
	g.Expect(c.Cautions).To(ContainElement(ContainSubstring("every time and count follows from the timeouts")))
	scaled = edited(scaled, "open/syn-ladder", set("errno", "EHOSTUNREACH", ""))
	g.Expect(compared(t, side(t, "a", old), side(t, "b", scaled)).Changes).To(HaveLen(1))
}

func TestTheWallClockSaysHowWellItIsKnown(t *testing.T) {
	g := NewWithT(t)
	real := kept(t, "debian-6.12")
	real.Clock, real.Seed = "real", 0
	one := compared(t, side(t, "a", real), side(t, "b", real))
	g.Expect(one.Cautions).To(ContainElement(ContainSubstring("OLD is a single run on the wall clock")))
	two := compared(t, side(t, "a", real, real), side(t, "b", real))
	g.Expect(two.Cautions).To(ContainElement(ContainSubstring("OLD is 2 runs on the wall clock, too few")))
	five := compared(t, side(t, "a", real, real, real, real, real), side(t, "b", real))
	g.Expect(five.Cautions).To(BeEmpty())
	g.Expect(five.Rule).To(ContainSubstring("the window of OLD's 5 runs"))
	mixed := compared(t, side(t, "a", kept(t, "debian-6.12")), side(t, "b", real))
	g.Expect(mixed.Cautions).To(ContainElement(ContainSubstring("OLD was on the virtual clock and NEW on the real one")))
}

func TestASideIsOneKernelsRuns(t *testing.T) {
	g := NewWithT(t)
	one, other := kept(t, "debian-6.1"), kept(t, "debian-6.12")
	_, err := compare.NewSide("runs", one, other)
	g.Expect(err).To(MatchError(MatchRegexp(`^runs holds runs of several kernels, 6\.1\S* and 6\.12`)))
	scaled := one
	scaled.Profile = "scaled"
	_, err = compare.NewSide("runs", one, scaled)
	g.Expect(err).To(MatchError(ContainSubstring("profiles defaults and scaled")))
	spoiled := one
	spoiled.Sabotage = "drop-rst"
	_, err = compare.NewSide("runs", spoiled)
	g.Expect(err).To(MatchError(ContainSubstring("under the sabotage drop-rst")))
	_, err = compare.NewSide("runs")
	g.Expect(err).To(MatchError("runs holds no run"))
}

func TestTheSameSidesAreToldTheSameWay(t *testing.T) {
	g := NewWithT(t)
	first := compared(t, side(t, "a", kept(t, "debian-6.1")), side(t, "b", kept(t, "debian-6.12")))
	for range 5 {
		again := compared(t, side(t, "a", kept(t, "debian-6.1")), side(t, "b", kept(t, "debian-6.12")))
		g.Expect(again.Text(0, false)).To(Equal(first.Text(0, false)))
		g.Expect(again.Markdown()).To(Equal(first.Markdown()))
	}
}
