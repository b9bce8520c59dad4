package predict

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/timing"
)

var newest = kernel.Version{7, 3, 0}

func shipped() Settings {
	return Settings{Timeouts: kernel.ShippedTimeouts(newest), Keepalive: true}
}

// with changes the shipped settings.
func with(change func(*Settings)) Settings {
	s := shipped()
	change(&s)
	return s
}

func row(t *testing.T, rows []Row, state State, fault string) Row {
	t.Helper()
	i := slices.IndexFunc(rows, func(r Row) bool { return r.State == state && r.Fault == fault })
	if i < 0 {
		t.Fatalf("no row %s: %s", state, fault)
	}
	return rows[i]
}

// What was measured elsewhere, on kernels with HZ 250, lies in the windows.
func TestWindowsHoldWhatWasMeasured(t *testing.T) {
	second := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	for _, each := range []struct {
		settings Settings
		state    State
		fault    string
		measured float64
	}{
		{shipped(), Writing, peerOff, 937.9},
		{shipped(), Writing, cableOut, 939.3},
		{with(func(s *Settings) { s.Retries2 = 0 }), Writing, peerOff, 0.85},
		{with(func(s *Settings) { s.Retries2 = 1 }), Writing, peerOff, 1.66},
		{with(func(s *Settings) { s.Retries2 = 3 }), Writing, peerOff, 6.73},
		{with(func(s *Settings) { s.Retries2 = 5 }), Writing, firewallDrops, 13.50},
		{with(func(s *Settings) { s.Retries2 = 8 }), Writing, peerOff, 107.9},
		{with(func(s *Settings) { s.UserTimeout = 20 * time.Second }), Writing, peerOff, 20.45},
		{with(func(s *Settings) { s.UserTimeout = 5 * time.Second }), Writing, peerOff, 5.65},
		{with(func(s *Settings) { s.RTOMax = time.Second }), Writing, peerOff, 14.98},
		{shipped(), Writing, ownCableOut, 927.8}, // IPv4
		{shipped(), Writing, ownCableOut, 942.0}, // IPv6
		{with(func(s *Settings) { s.Retries2 = 8 }), Writing, ownCableOut, 104.4},
		{with(func(s *Settings) { s.UserTimeout = 20 * time.Second }), Writing, ownCableOut, 20.1},
		{shipped(), Idle, peerOff, 7964},
		{with(func(s *Settings) {
			s.KeepaliveTime, s.KeepaliveInterval, s.KeepaliveProbes, s.UserTimeout = 3*time.Second, time.Second, 3, 10*time.Second
		}), Idle, peerOff, 10.3},
		{shipped(), Connecting, pathLosesSYN, 134.4},
		{with(func(s *Settings) { s.SynLinear, s.SynRetries = 0, 4 }), Connecting, pathLosesSYN, 31.5},
		{with(func(s *Settings) { s.UserTimeout = 3500 * time.Millisecond }), Connecting, pathLosesSYN, 3.51},
		{shipped(), Closed, finLost, 106.4},
		{shipped(), Closed, peerNeverCloses, 61.6},
		{with(func(s *Settings) { s.FinTimeout = 120 * time.Second }), Closed, peerNeverCloses, 122.1},
		{with(func(s *Settings) { s.Retries2 = 5 }), Writing, windowClosedOff, 13.65},
		{with(func(s *Settings) { s.Retries2 = 0 }), Writing, windowClosed, 0.21},
	} {
		t.Run(fmt.Sprintf("%s: %s after %g s", each.state, each.fault, each.measured), func(t *testing.T) {
			g := NewWithT(t)
			r := row(t, Predict(each.settings, 250), each.state, each.fault)
			g.Expect(r.Never).To(BeFalse())
			g.Expect(r.Window.Contains(second(each.measured))).To(BeTrue(), r.Window.String())
		})
	}
}

func TestWhatNoTimerWatchesIsNeverNoticed(t *testing.T) {
	g := NewWithT(t)
	for _, s := range []Settings{shipped(), with(func(s *Settings) { s.UserTimeout = time.Second })} {
		rows := Predict(s, 250)
		g.Expect(row(t, rows, Writing, peerFrozen).Never).To(BeTrue())
		g.Expect(row(t, rows, Idle, peerFrozen).Never).To(BeTrue())
		g.Expect(row(t, rows, Unguarded, anythingElse).Never).To(BeTrue())
		// A window that stays closed is another matter: the user timeout ends it.
		g.Expect(row(t, rows, Writing, windowClosed).Never).To(Equal(s.UserTimeout == 0))
	}
	off := with(func(s *Settings) { s.Keepalive = false })
	g.Expect(slices.ContainsFunc(Predict(off, 250), func(r Row) bool { return r.State == Idle })).To(BeFalse())
}

// A writer whose own cable is out is told that address resolution failed, if it did before the abort.
func TestTheOwnCableIsToldByAddressResolution(t *testing.T) {
	g := NewWithT(t)
	told := func(change func(*Settings)) Row { return row(t, Predict(with(change), 250), Writing, ownCableOut) }
	long := told(func(*Settings) {})
	g.Expect(long.Told).To(Equal("EHOSTUNREACH"))
	g.Expect(long.Proof.Claim).To(Equal("cable/own-cable-ehostunreach"))
	user := told(func(s *Settings) { s.UserTimeout = 20 * time.Second })
	g.Expect(user.By).To(Equal("TCP_USER_TIMEOUT 20 s"))
	g.Expect(user.Window.Floor).To(BeNumerically("~", 20*time.Second, 10*time.Millisecond))
	g.Expect(user.Proof.Claim).To(Equal(long.Proof.Claim))
	soon := told(func(s *Settings) { s.Retries2 = 4 })
	g.Expect(soon.Told).To(Equal("EHOSTUNREACH"))
	g.Expect(soon.Proof.Claim).To(BeEmpty(), "the spec would ask for the address more quickly than the system does")
	g.Expect(told(func(s *Settings) { s.Retries2 = 3 }).Told).To(Equal("either errno"), "3 s until the abort, and 3 s of address resolution")
}

// connect(2) to a neighbour that is off ends with address resolution, or before it.
func TestTheFirstOfTwoEndsAConnect(t *testing.T) {
	g := NewWithT(t)
	told := func(change func(*Settings)) Row {
		return row(t, Predict(with(change), 250), Connecting, neighbourOff)
	}
	g.Expect(told(func(*Settings) {}).Told).To(Equal("EHOSTUNREACH"))
	short := told(func(s *Settings) { s.UserTimeout = 1500 * time.Millisecond })
	g.Expect(short.Told).To(Equal("ETIMEDOUT"))
	g.Expect(short.Window.Ceiling).To(BeNumerically("<", 2*time.Second))
	_, provable := short.Provable(0)
	g.Expect(provable).To(BeFalse())
	g.Expect(told(func(s *Settings) { s.SynRetries = 1 }).Told).To(Equal("either errno"))
	last := told(func(s *Settings) { s.SynRetries, s.SynLinear = 2, 0 })
	g.Expect(last.Told).To(Equal("either errno"), "the last copy is made when address resolution fails")
	g.Expect(last.Window.Floor).To(Equal(3 * time.Second))
	g.Expect(told(func(s *Settings) { s.SynRetries, s.SynLinear = 3, 0 }).Told).To(Equal("EHOSTUNREACH"))
}

func TestALongerRoundTripMovesTheWindow(t *testing.T) {
	g := NewWithT(t)
	wheel := timing.Wheel{HZ: 250}
	least, most := shipped().RTO(wheel)
	g.Expect(least).To(Equal(204 * time.Millisecond))
	g.Expect(most).To(Equal(244 * time.Millisecond))
	least, most = with(func(s *Settings) { s.RTT = 80 * time.Millisecond }).RTO(wheel)
	g.Expect(least).To(Equal(280 * time.Millisecond))
	g.Expect(most).To(Equal(284 * time.Millisecond))
	least, most = with(func(s *Settings) { s.RTT = 250 * time.Millisecond }).RTO(wheel)
	g.Expect(least).To(Equal(452*time.Millisecond), "a variation that has shrunk to its floor, in whole jiffies")
	g.Expect(most).To(Equal(756*time.Millisecond), "three round trips")

	// The lab stages the longest, by its route.
	custom, is := with(func(s *Settings) { s.RTT = 80 * time.Millisecond }).Profile(newest, 250).Custom()
	g.Expect(is).To(BeTrue())
	g.Expect(custom.RTO).To(Equal(284 * time.Millisecond))
}

func TestEveryRowNamesClaimsOfTheCatalogue(t *testing.T) {
	g := NewWithT(t)
	catalogue, err := claim.Load()
	g.Expect(err).NotTo(HaveOccurred())
	for _, s := range someSettings() {
		for _, r := range Predict(s, 250) {
			g.Expect(r.Claims).NotTo(BeEmpty(), r.ID())
			g.Expect(r.By).NotTo(BeEmpty(), r.ID())
			for _, id := range append(r.Claims, r.Proof.Claim) {
				_, known := catalogue.ByID(id)
				g.Expect(known || id == "").To(BeTrue(), "%s: %s", r.ID(), id)
			}
			if r.Proof.Claim != "" {
				g.Expect(r.Claims).To(ContainElement(r.Proof.Claim), r.ID())
			}
		}
	}
}

func someSettings() []Settings {
	return []Settings{
		shipped(),
		with(func(s *Settings) { s.UserTimeout = 20 * time.Second; s.RTT = 80 * time.Millisecond }),
		with(func(s *Settings) { s.Keepalive = false; s.Retries2 = 0; s.SynRetries = 1 }),
		with(func(s *Settings) { s.UserTimeout = 100 * time.Millisecond; s.Retries2 = 255; s.EarlyRetrans = 0 }),
		with(func(s *Settings) {
			s.Retries2 = 255
			s.OrphanRetries = 255
			s.SynRetries = 127
			s.RTT = 10 * time.Second
		}),
	}
}

func TestWindowsAreWindows(t *testing.T) {
	g := NewWithT(t)
	for _, hz := range []int{100, 250, 300, 1000} {
		for _, s := range someSettings() {
			for _, r := range Predict(s, hz) {
				if !r.Never {
					g.Expect(r.Window.Ceiling).To(BeNumerically(">", r.Window.Floor), "%s at HZ %d: %s", r.ID(), hz, r.Window)
					g.Expect(r.Window.Floor).To(BeNumerically(">=", 0), "%s at HZ %d: %s", r.ID(), hz, r.Window)
				}
			}
		}
	}
}

func TestATableFitsATerminal(t *testing.T) {
	g := NewWithT(t)
	for _, s := range someSettings() {
		rows := Predict(s, 1000)
		text := s.Describe(1000) + "\n" + Table(s, rows, nil) + Table(s, rows, make([]Check, len(rows))) + Proofs(rows) +
			Text(Advise(s, 1000, 30*time.Second), 30*time.Second)
		for _, line := range strings.Split(text, "\n") {
			g.Expect(len([]rune(line))).To(BeNumerically("<=", tableWidth), line)
			g.Expect(line).NotTo(ContainSubstring("…"))
		}
	}
}

func TestSettingsThatNoKernelTakesAreRefused(t *testing.T) {
	g := NewWithT(t)
	g.Expect(shipped().Check()).To(Succeed())
	for text, change := range map[string]func(*Settings){
		"tcp_retries2 is 0 to 255, not 256":                    func(s *Settings) { s.Retries2 = 256 },
		"tcp_syn_retries is 1 to 127, not 0":                   func(s *Settings) { s.SynRetries = 0 },
		"the count of keepalive probes is 1 to 255, not 256":   func(s *Settings) { s.KeepaliveProbes = 256 },
		"the keepalive time is 1s to 596h31m23s, not 0s":       func(s *Settings) { s.KeepaliveTime = 0 },
		"TCP_USER_TIMEOUT is in whole milliseconds, not 1.5ms": func(s *Settings) { s.UserTimeout = 1500 * time.Microsecond },
		"tcp_rto_max_ms is 1s to 2m0s, not 500ms":              func(s *Settings) { s.RTOMax = 500 * time.Millisecond },
		"the round trip time is 0s to 2s, not 3s":              func(s *Settings) { s.RTT = 3 * time.Second },
		"tcp_early_retrans is 0 to 4, not 5":                   func(s *Settings) { s.EarlyRetrans = 5 },
		"tcp_rto_min_us is 1ms to 2m0s, not 0s":                func(s *Settings) { s.RTOMin = 0 },
		"TCP_USER_TIMEOUT is 0s to 596h31m23.647s, not -1ms":   func(s *Settings) { s.UserTimeout = -time.Millisecond },
		"tcp_orphan_retries is 0 to 255, not -1":               func(s *Settings) { s.OrphanRetries = -1 },
		"tcp_syn_linear_timeouts is 0 to 127, not 128":         func(s *Settings) { s.SynLinear = 128 },
		"tcp_fin_timeout is 1s to 596h31m23s, not 0s":          func(s *Settings) { s.FinTimeout = 0 },
	} {
		g.Expect(with(change).Check()).To(MatchError(text))
	}
}

func TestSettingsOfAnOlderKernel(t *testing.T) {
	g := NewWithT(t)
	old := kernel.Version{5, 10, 0}
	on, err := shipped().On(old)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(on.SynLinear).To(BeZero(), "the default of newer ones is none here")
	_, err = with(func(s *Settings) { s.SynLinear = 2 }).On(old)
	g.Expect(err).To(MatchError("tcp_syn_linear_timeouts cannot be 2 on Linux 5.10, which has no such sysctl: 6.5 brought it"))
	_, err = with(func(s *Settings) { s.RTOMax = 10 * time.Second }).On(kernel.Version{6, 12, 0})
	g.Expect(err).To(MatchError("tcp_rto_max_ms cannot be 10s on Linux 6.12, which has no such sysctl: 6.15 brought it"))

	g.Expect(shipped().Profile(newest, 250)).To(BeEquivalentTo("custom:"), "as shipped")
	g.Expect(on.Profile(old, 250)).To(BeEquivalentTo("custom:"))
	g.Expect(with(func(s *Settings) { s.Retries2 = 8; s.KeepaliveTime = time.Minute; s.UserTimeout = time.Second }).Profile(newest, 250)).
		To(BeEquivalentTo("custom:tcp_keepalive_time=60,tcp_retries2=8,user_timeout=1s"))
}

func TestErrnosAreThoseOfTheKernel(t *testing.T) {
	g := NewWithT(t)
	known := []string{"", EndOfFile, "either errno", unix.ErrnoName(unix.ETIMEDOUT), unix.ErrnoName(unix.ECONNRESET), unix.ErrnoName(unix.EHOSTUNREACH)}
	for _, s := range someSettings() {
		for _, r := range Predict(s, 250) {
			g.Expect(known).To(ContainElement(r.Told), r.ID())
			g.Expect(r.Never).To(Equal(r.Never && r.Told == ""), "%s: never, and yet told", r.ID())
		}
	}
}
