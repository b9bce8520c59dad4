package predict

import (
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func advised(t *testing.T, advice []Advice, knob string) Advice {
	t.Helper()
	for _, a := range advice {
		if a.Knob == knob {
			return a
		}
	}
	t.Fatalf("no advice on %s", knob)
	return Advice{}
}

// Each advice is in time, and one more would not be.
func TestAdviceIsTheLargestThatIsInTime(t *testing.T) {
	for _, hz := range []int{100, 250, 1000} {
		for _, within := range []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, time.Hour} {
			g := NewWithT(t)
			advice := Advise(shipped(), hz, within)
			number := func(knob string) int {
				n, err := strconv.Atoi(advised(t, advice, knob).Value)
				g.Expect(err).NotTo(HaveOccurred(), knob)
				return n
			}
			ceiling := func(state State, fault string, change func(*Settings)) time.Duration {
				return row(t, Predict(with(change), hz), state, fault).Window.Ceiling
			}
			for knob, at := range map[string]func(n int) time.Duration{
				"net.ipv4.tcp_retries2": func(n int) time.Duration {
					return ceiling(Writing, peerOff, func(s *Settings) { s.Retries2 = n })
				},
				"net.ipv4.tcp_orphan_retries": func(n int) time.Duration {
					return ceiling(Closed, finLost, func(s *Settings) { s.OrphanRetries = n })
				},
				"net.ipv4.tcp_syn_retries": func(n int) time.Duration {
					return ceiling(Connecting, pathLosesSYN, func(s *Settings) { s.SynRetries = n })
				},
			} {
				n := number(knob)
				g.Expect(at(n)).To(BeNumerically("<=", within), "%s=%d", knob, n)
				g.Expect(at(n+1)).To(BeNumerically(">", within), "%s=%d", knob, n+1)
			}
		}
	}
}

// All together notices everything that a kernel can notice in time, and not in half of it.
func TestAdvisedSettingsNoticeInTime(t *testing.T) {
	for _, within := range []time.Duration{4 * time.Second, 10 * time.Second, 30 * time.Second, 5 * time.Minute, 3 * time.Hour} {
		g := NewWithT(t)
		settings, found := Advised(shipped(), 250, within)
		g.Expect(found).To(BeTrue(), within.String())
		g.Expect(settings.Check()).To(Succeed())
		for _, r := range Predict(settings, 250) {
			switch {
			case r.Never, r.State == Closed && r.Fault == peerNeverCloses, r.State == Connecting && settings.UserTimeout > r.Window.Floor:
			case r.Told == "EHOSTUNREACH", r.Fault == ownCableOut: // they may be a back-off later, as the advice says
			default:
				g.Expect(r.Window.Ceiling).To(BeNumerically("<=", within), "%s within %v: %s", r.ID(), within, r.Window)
			}
		}
		g.Expect(row(t, Predict(settings, 250), Idle, peerOff).Window.Ceiling).To(BeNumerically(">", within/2))
	}
	_, found := Advised(shipped(), 250, 500*time.Millisecond)
	NewWithT(t).Expect(found).To(BeFalse(), "a keepalive interval is a second at the least")
}

func TestAdviceSaysWhatIsTooShort(t *testing.T) {
	g := NewWithT(t)
	for _, a := range Advise(shipped(), 250, 100*time.Millisecond) {
		g.Expect(a.Value).To(BeEmpty(), a.Knob)
	}
	short := advised(t, Advise(shipped(), 250, 30*time.Second), "net.ipv4.tcp_retries2")
	g.Expect(short.Note).To(ContainSubstring("RFC 9293 asks for 100 s"))
	long := advised(t, Advise(shipped(), 250, 5*time.Minute), "net.ipv4.tcp_retries2")
	g.Expect(long.Note).To(BeEmpty())
}
