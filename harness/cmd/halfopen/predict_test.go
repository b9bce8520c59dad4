package main

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/predict"
	"github.com/halfopen/halfopen/harness/stage"
)

// predicted are the settings whose predictions are held against kernels: the defaults, each knob below
// and above its default, TCP_USER_TIMEOUT shorter and longer than what it replaces, paths with a length, and
// the edges (tcp_retries2=0, a count of one).
var predicted = []string{
	"",
	"--retries2 8 --keepalive 600/30/5",
	"--retries2 8 --keepalive 600/30/5 --user-timeout 20s --rtt 80ms",
	"--retries2 6 --keepalive 13/5/3 --user-timeout 27s",
	"--retries2 3 --keepalive 10/5/3 --syn-retries 2 --orphan-retries 1 --fin-timeout 15",
	"--retries2 0 --keepalive 1/1/1 --syn-retries 1 --orphan-retries 2 --fin-timeout 5",
	"--retries2 10 --keepalive 60/10/6 --rtt 250ms --fin-timeout 90",
	"--keepalive 15/15/9 --user-timeout 2m",
	"--retries2 5 --syn-retries 4 --syn-linear-timeouts 0 --early-retrans 0 --orphan-retries 4",
	"--retries2 2 --no-keepalive --user-timeout 1500ms --rtt 20ms",
	"--retries2 20 --keepalive 7200/75/20 --syn-retries 8 --orphan-retries 12 --fin-timeout 120",
}

// predictedSinceRTOMin is another, for kernels from 6.11 on, and predictedSinceRTOMax for those from 6.15 on.
const (
	predictedSinceRTOMin = "--retries2 6 --keepalive 30/10/3 --rto-min 50ms"
	predictedSinceRTOMax = "--retries2 12 --keepalive 300/20/3 --rto-max 10s"
)

// settingsOf are the settings that flags stand for, on a system that is as shipped.
func settingsOf(t testing.TB, flags string) predict.Settings {
	t.Helper()
	var parsed struct{ predictCommand }
	parser, err := kong.New(&parsed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(strings.Fields(flags)); err != nil {
		t.Fatalf("%q: %v", flags, err)
	}
	shipped := predict.Settings{Timeouts: kernel.ShippedTimeouts(kernel.Version{7, 3, 0}), Keepalive: true}
	settings, err := parsed.settings(shipped)
	if err != nil {
		t.Fatalf("%q: %v", flags, err)
	}
	return settings
}

// Each row that names a proof is staged by one spec over a family, and only those that no spec can stage have none.
func TestEveryRowHasASpecThatStagesIt(t *testing.T) {
	g := NewWithT(t)
	var unproved []string
	for _, flags := range append(predicted, predictedSinceRTOMin, predictedSinceRTOMax) {
		rows := predict.Predict(settingsOf(t, flags), 250)
		plan := proofs(rows, defaultFamily, 0)
		for _, row := range rows {
			staging := 0
			for _, job := range plan {
				if row.Proves(job.Spec.Claim, job.Spec.Case) {
					staging++
				}
			}
			if row.Proof.Claim == "" {
				unproved = append(unproved, row.ID())
				continue
			}
			g.Expect(staging).To(Equal(1), "%s: %s", flags, row.ID())
		}
	}
	slices.Sort(unproved)
	g.Expect(slices.Compact(unproved)).To(Equal([]string{
		"connecting: neighbour off, same LAN", "writing: neighbour off, same LAN", "writing: own cable out", "writing: window closed, then host off"}))
}

// The claims of the rows run in every profile: one that is confined to another would be unsupported.
func TestTheProofsRunInACustomProfile(t *testing.T) {
	g := NewWithT(t)
	catalogue, _, err := choose(nil, 0)
	g.Expect(err).NotTo(HaveOccurred())
	for _, flags := range predicted {
		for _, job := range proofs(predict.Predict(settingsOf(t, flags), 250), defaultFamily, 0) {
			proved, known := catalogue.ByID(job.Spec.Claim)
			g.Expect(known).To(BeTrue())
			g.Expect(proved.Profile).To(BeEmpty(), proved.ID)
		}
	}
}

// On the wall clock what takes too long is left out.
func TestPatienceChoosesWhatIsStaged(t *testing.T) {
	g := NewWithT(t)
	rows := predict.Predict(settingsOf(t, ""), 250)
	all, short := proofs(rows, defaultFamily, 0), proofs(rows, defaultFamily, defaultPatience)
	g.Expect(len(short)).To(BeNumerically("<", len(all)))
	claims := func(of []string) (found []string) {
		for _, job := range short {
			if slices.Contains(of, job.Spec.Claim) {
				found = append(found, job.Spec.Claim)
			}
		}
		return found
	}
	g.Expect(claims([]string{"open/unresolved", "window/silent-abort-count"})).To(Equal([]string{"open/unresolved"}))
}

func TestAGuestIsNamedIfNobodyNamesOne(t *testing.T) {
	NewWithT(t).Expect(cachedGuest()).To(HavePrefix("debian:"))
}

// The prediction is right: a kernel does, in virtual time, what it says. BenchmarkPrediction asks more of them,
// with every setting.
func TestAKernelAgreesWithThePrediction(t *testing.T) {
	bootable(t, oldest)
	verify(t, command(t), oldest, predicted[2])
	verify(t, command(t), oldest, predicted[1]+" --family 6")
}

// BenchmarkPrediction holds all settings against the oldest, the newest and the default kernel, and prints what
// each takes; any disagreement fails it.
func BenchmarkPrediction(b *testing.B) {
	bootable(b, oldest, defaultGuest, newest)
	halfopen := command(b)
	for _, name := range []string{oldest, defaultGuest, newest} {
		for _, flags := range predicted {
			b.Run(fmt.Sprintf("%s %s", name, flags), func(b *testing.B) {
				for b.Loop() {
					verify(b, halfopen, name, flags)
				}
			})
		}
	}
	for name, flags := range map[string]string{defaultGuest: predictedSinceRTOMin, newest: predictedSinceRTOMax} {
		b.Run(fmt.Sprintf("%s %s", name, flags), func(b *testing.B) {
			for b.Loop() {
				verify(b, halfopen, name, flags)
			}
		})
	}
}

// verify holds a prediction against a kernel.
func verify(t testing.TB, halfopen, name, flags string) {
	t.Helper()
	args := append([]string{"predict", "--verify", "--kernel", name}, strings.Fields(flags)...)
	output, err := exec.CommandContext(t.Context(), halfopen, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s, %s: %v\n%s", name, flags, err, output)
	}
}

// The specs know the settings by the profile's name alone.
func TestTheProfileCarriesTheSettings(t *testing.T) {
	g := NewWithT(t)
	running, err := kernel.Running()
	g.Expect(err).NotTo(HaveOccurred())
	for _, flags := range predicted {
		settings, err := settingsOf(t, flags).On(running.Parsed)
		g.Expect(err).NotTo(HaveOccurred(), flags)
		profile, err := kernel.ParseProfile(string(settings.Profile(running.Parsed, running.HZ)))
		g.Expect(err).NotTo(HaveOccurred(), flags)
		custom, is := profile.Custom()
		g.Expect(is).To(BeTrue(), flags)
		g.Expect(custom.UserTimeout).To(Equal(settings.UserTimeout), flags)
	}
	g.Expect(stage.Environment(nil, nil, "custom:tcp_retries2=8", "", "")).To(ContainElement(stage.ProfileEnv + "=custom:tcp_retries2=8"))
}
