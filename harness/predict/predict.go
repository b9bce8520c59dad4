package predict

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/timing"
)

// Faults, beside those of the table of detection. What a path does that is silent is what a firewall does
// that has forgotten the connection and drops.
const (
	peerFrozen       = "peer process frozen"
	peerKilled       = "peer process killed"
	peerOff          = "peer host off"
	peerRebooted     = "peer host rebooted"
	cableOut         = "peer's cable out"
	ownCableOut      = "own cable out"
	firewallDrops    = "firewall forgot, drops"
	firewallResets   = "firewall forgot, rejects"
	windowClosed     = "peer's window closed"
	windowClosedOff  = "window closed, then host off"
	anythingElse     = "any fault but these"
	pathLosesSYN     = "peer host off, or SYNs lost"
	neighbourOff     = "neighbour off, same LAN" // no router in between
	finLost          = "peer gone, FIN unanswered"
	peerNeverCloses  = "peer never closes"
	fromReturn       = "its return"
	fromWrite        = "the write"
	fromLastReceived = "the last segment received"
)

// Claims whose specs stage rows, by the settings that they are about.
const (
	detectedByData        = "application/detection-data-in-flight"
	detectedByUserTimeout = "application/detection-user-timeout"
	detectedByKeepalive   = "application/detection-keepalive"
	detectedByBoth        = "application/detection-keepalive-user-timeout"
	detectedByNothing     = "application/detection-nothing"
)

// model is what the rows are made with.
type model struct {
	Settings
	wheel timing.Wheel
}

// Predict gives the rows for a kernel of that HZ, by state and in the order they are read in.
func Predict(settings Settings, hz int) []Row {
	m := model{Settings: settings, wheel: timing.Wheel{HZ: hz}}
	rows := slices.Concat(m.writing(), m.windowClosed())
	if m.Keepalive {
		rows = append(rows, m.idle()...)
	}
	return slices.Concat(rows, m.unguarded(), m.connecting(), m.closed())
}

// acrossAtMost is how many retransmission timeouts are looked at. With more between the least and the most
// the nearest that is missed differs by less than a fiftieth, well below what the wheel makes of it.
const acrossAtMost = 128

// across is the window that holds for every retransmission timeout that there can be: the time of an abort
// is no monotonic function of it, so each jiffy between the least and the most is looked at.
func (m model) across(window func(rto time.Duration) timing.Window) timing.Window {
	least, most := m.RTO(m.wheel)
	step := max(m.wheel.RoundUp((most-least)/acrossAtMost), m.wheel.Jiffy())
	whole := window(least)
	for rto := least; rto < most; {
		rto = min(rto+step, most)
		next := window(rto)
		whole.Floor, whole.Ceiling = min(whole.Floor, next.Floor), max(whole.Ceiling, next.Ceiling)
	}
	return whole
}

func (m model) retransmission(rto time.Duration) timing.Retransmission {
	return timing.Retransmission{
		RTO: rto, RTOMin: m.RTOMin, RTOMax: m.RTOMax, Retries2: m.Retries2, UserTimeout: m.UserTimeout,
		TailLossProbe: m.EarlyRetrans >= 3, Wheel: m.wheel,
	}
}

func (m model) abort() timing.Window {
	return m.across(func(rto time.Duration) timing.Window { return m.retransmission(rto).AbortAfterWrite() })
}

// nextCopy is the longest wait for the next copy of what is in flight.
func (m model) nextCopy() timing.Window {
	return m.across(func(rto time.Duration) timing.Window {
		var longest timing.Window
		for _, interval := range m.retransmission(rto).Intervals() {
			longest.Ceiling = max(longest.Ceiling, interval.Ceiling)
		}
		return longest
	})
}

func (m model) keepalive() timing.Keepalive {
	return timing.Keepalive{Idle: m.KeepaliveTime, Interval: m.KeepaliveInterval, Count: m.KeepaliveProbes,
		UserTimeout: m.UserTimeout, Wheel: m.wheel}
}

func (m model) persist(rto time.Duration) timing.Persist {
	return timing.Persist{RTO: rto, RTOMax: m.RTOMax, Retries2: m.Retries2, Wheel: m.wheel}
}

// trip lets a window begin where the segment leaves and end where its answer is there.
func (m model) trip(w timing.Window) timing.Window { return w.Plus(m.RTT + rttGrain) }

// byUserTimeout is a name with the setting that decides, TCP_USER_TIMEOUT or another.
func (m model) byUserTimeout(otherwise string) string {
	if m.UserTimeout != 0 {
		return fmt.Sprintf("TCP_USER_TIMEOUT %g s", m.UserTimeout.Seconds())
	}
	return otherwise
}

// watched is how long a spec of the table of detection watches what is never noticed (expectUnnoticed).
func watched(enough time.Duration) time.Duration { return enough * 5 / 4 }

// detection is the proof of a row by a spec of the table of detection.
func detection(claim, fault, measured string, takes time.Duration) Proof {
	return Proof{Claim: claim, Case: fault, Measured: measured, Told: "told", Takes: takes}
}

func (m model) writing() []Row {
	abort, copies := m.abort(), m.nextCopy()
	proved := detectedByData
	also := []string{"host-crash/data-abort-window", "host-crash/data-abort-etimedout"}
	if m.UserTimeout != 0 {
		proved, also = detectedByUserTimeout, []string{"retransmission/user-timeout-data"}
	}
	by := m.byUserTimeout(fmt.Sprintf("tcp_retries2 %d", m.Retries2))
	timedOut := func(fault, staged string, claims ...string) Row {
		return Row{State: Writing, Fault: fault, From: fromWrite, Window: abort, Told: unix.ErrnoName(unix.ETIMEDOUT), By: by,
			Claims: append([]string{proved}, claims...), Proof: detection(proved, staged, "noticed_after", abort.Ceiling)}
	}
	rows := []Row{
		m.killed(Writing, proved, "process-crash/write-after-fin-draws-rst", "process-crash/write-after-rst-epipe"),
		{State: Writing, Fault: peerFrozen, Never: true, By: "its kernel acknowledges",
			Claims: []string{proved, "process-crash/frozen-kernel-acks"},
			Proof:  Proof{Claim: proved, Case: report.ProcessFrozen, Measured: "undetected_for", Takes: watched(abort.Ceiling)}},
		timedOut(peerOff, report.HostOff, also...),
		{State: Writing, Fault: peerRebooted, From: fromReturn, Window: m.trip(copies), Told: unix.ErrnoName(unix.ECONNRESET),
			By:     "RST to the next copy",
			Claims: []string{proved, "host-crash/reboot-rst", "host-crash/reboot-econnreset"},
			Proof:  detection(proved, report.HostRebooted, "detected_after_return", time.Second)},
		timedOut(cableOut, report.CableOut, "cable/far-cable-etimedout"),
		timedOut(firewallDrops, report.PathSilent, "middlebox/server-data-dropped", "middlebox/no-pickup-dropped"),
		{State: Writing, Fault: firewallResets, From: fromWrite, Window: m.trip(timing.BeforeAnyTimer()), Told: unix.ErrnoName(unix.ECONNRESET),
			By:     "the firewall's RST",
			Claims: []string{"middlebox/no-pickup-reset", "middlebox/server-data-reset"},
			Proof:  Proof{Claim: "middlebox/no-pickup-reset", Case: "deleted", Measured: "detected_after", Told: "errno", Takes: time.Second}},
	}
	rows = slices.Insert(rows, 5, m.ownCable(abort, by))
	if m.UserTimeout == 0 {
		rows = slices.Insert(rows, 3, m.neighbour(abort, by))
	}
	return rows
}

// ownCable is the row of a host that has lost its own carrier and keeps its address and its route. The kernel
// forgets its neighbours at that moment (neigh_carrier_down), so that the first write asks for the peer's
// address, or the router's, and address resolution fails, if the abort leaves it the time.
func (m model) ownCable(abort timing.Window, by string) Row {
	const proved = "cable/own-cable-ehostunreach"
	unresolved := func(rto time.Duration) timing.Window { return m.retransmission(rto).AbortUnresolved(m.neighbours()) }
	row := Row{State: Writing, Fault: ownCableOut, From: fromWrite, Window: m.across(unresolved), Told: unix.ErrnoName(unix.EHOSTUNREACH),
		By: by, Claims: []string{proved}}
	limit, failure := m.retransmission(m.RTOMin).Limit(), m.neighbours().Failure()
	switch {
	case limit >= resolvedWithin*m.neighbours().Interval*time.Duration(m.neighbours().Solicitations):
		// The spec makes address resolution quicker where the limit is shorter, and so stages another system.
		row.Proof = Proof{Claim: proved, Measured: "aborted_after", Told: "errno", Takes: row.Window.Ceiling}
	case limit <= failure.Ceiling:
		row.Told = "either errno"
		row.Window.Floor, row.Window.Ceiling = min(row.Window.Floor, abort.Floor), max(row.Window.Ceiling, abort.Ceiling)
	}
	return row
}

// resolvedWithin is the part of the time until the abort in which a spec sees to it that address resolution fails.
const resolvedWithin = 4

// unreachableAfter is when a neighbour that is off is known to be, at the latest: it is believed for up to
// one and a half times base_reachable_time_ms, then for delay_first_probe_time, and then it is asked. 58 s
// were seen.
const unreachableAfter = time.Minute

// neighbour is the row of a host that is off and has no router in front of it: address resolution fails
// meanwhile, if the abort leaves it the time.
func (m model) neighbour(abort timing.Window, by string) Row {
	row := Row{State: Writing, Fault: neighbourOff, From: fromWrite, Told: "either errno", By: by,
		Claims: []string{"cable/far-cable-ehostunreach", "cable/far-cable-etimedout"}}
	row.Window = m.across(func(rto time.Duration) timing.Window { return m.retransmission(rto).AbortUnresolved(m.neighbours()) })
	row.Window.Floor, row.Window.Ceiling = min(row.Window.Floor, abort.Floor), max(row.Window.Ceiling, abort.Ceiling)
	if timing.Model(m.Retries2, m.RTOMax) > unreachableAfter {
		row.Told = unix.ErrnoName(unix.EHOSTUNREACH)
		row.Proof = Proof{Claim: "cable/far-cable-ehostunreach", Measured: "aborted_after", Told: "errno", Takes: row.Window.Ceiling}
	}
	return row
}

// killed is the row of a process that dies while its kernel lives.
func (m model) killed(state State, proved string, claims ...string) Row {
	return Row{State: state, Fault: peerKilled, From: "the death", Window: m.trip(timing.Death()), Told: EndOfFile, By: "its kernel's FIN",
		Claims: append([]string{proved, "process-crash/survivor-reads-eof"}, claims...),
		Proof:  detection(proved, report.ProcessKilled, "detected_after", time.Second)}
}

// windowClosed is a writer whose peer has stopped reading.
func (m model) windowClosed() []Row {
	const from = "the window closing"
	silent := func(rto time.Duration) timing.Window { return m.persist(rto).Abort() }
	silence := m.across(silent)
	gone := Row{at: silent, State: Writing, Fault: windowClosedOff, From: from, Window: silence, Told: unix.ErrnoName(unix.ETIMEDOUT),
		By:     probes(m.Retries2) + ", tcp_retries2",
		Claims: []string{"window/silent-abort-count", "window/silent-abort-etimedout", "window/silent-abort-no-rst"},
		Proof:  Proof{Claim: "window/silent-abort-count", Measured: "aborted_after", Takes: silence.Ceiling}}
	if m.Retries2 == 0 {
		// The probe timer gives up before it sends the first probe, whatever the peer would have said.
		const proved = "window/retries2-0-not-probed"
		closed := gone
		closed.Fault, closed.Claims, closed.Proof.Claim, closed.Proof.Told = windowClosed, []string{proved}, proved, "errno"
		return []Row{closed, gone}
	}
	if m.UserTimeout == 0 {
		answered := m.across(func(rto time.Duration) timing.Window {
			var all timing.Window
			for _, interval := range m.persist(rto).Intervals(m.Retries2 + 3) { // as many as the spec waits for
				all = all.Then(interval)
			}
			return all
		})
		return []Row{{State: Writing, Fault: windowClosed, Never: true, By: "its kernel answers probes",
			Claims: []string{"window/answered-stays-open"},
			Proof:  Proof{Claim: "window/answered-stays-open", Measured: "stayed_open", Takes: answered.Ceiling}}, gone}
	}
	timedOut := func(rto time.Duration) timing.Window {
		p := m.persist(rto)
		return p.Intervals(1)[0].Then(p.AbortByUserTimeout(m.UserTimeout))
	}
	limited := m.across(timedOut)
	const proved = "window/user-timeout-answered"
	closed := Row{at: timedOut, State: Writing, Fault: windowClosed, From: from, Window: limited, Told: unix.ErrnoName(unix.ETIMEDOUT),
		By: m.byUserTimeout(""), Claims: []string{proved},
		Proof: Proof{Claim: proved, Measured: "aborted_after", Told: "errno", Takes: limited.Ceiling}}
	// Whichever comes first ends it (tcp_probe_timer). Where it is not known which that is, no spec stages it.
	const provedSilent = "window/user-timeout-silent"
	gone.Claims, gone.Proof, gone.at = append([]string{provedSilent}, gone.Claims...), Proof{}, nil
	gone.Window.Floor, gone.Window.Ceiling = min(silence.Floor, limited.Floor), min(silence.Ceiling, limited.Ceiling)
	if limited.Ceiling < silence.Floor {
		gone.By, gone.at, gone.Proof = closed.By, closed.at, closed.Proof
		gone.Proof.Claim = provedSilent
	}
	return []Row{closed, gone}
}

// idle is a reader with SO_KEEPALIVE.
func (m model) idle() []Row {
	k := m.keepalive()
	found := k.Detection()
	proved, also := detectedByKeepalive, []string{"host-crash/keepalive-finds-dead-host", "host-crash/keepalive-dead-host-etimedout"}
	if m.UserTimeout != 0 {
		proved, also = detectedByBoth, []string{"keepalive/user-timeout-replaces-count"}
	}
	by := probes(m.KeepaliveProbes) + ", keepalive"
	if m.UserTimeout != 0 {
		by = "probes, TCP_USER_TIMEOUT" // the first of its ticks at which the user timeout is over
	}
	timedOut := func(fault, staged string, claims ...string) Row {
		return Row{State: Idle, Fault: fault, From: fromLastReceived, Window: found, Told: unix.ErrnoName(unix.ETIMEDOUT),
			By: by, Claims: append([]string{proved}, claims...), Proof: detection(proved, staged, "noticed_after", found.Ceiling)}
	}
	// A host may be back right after a probe that it has missed, or before the first.
	probe := max(k.Probes()[0].Ceiling, k.Gap().Ceiling)
	return []Row{
		m.killed(Idle, proved),
		{State: Idle, Fault: peerFrozen, Never: true, By: "its kernel answers probes",
			Claims: []string{proved, "keepalive/frozen-process-answers"},
			Proof:  Proof{Claim: proved, Case: report.ProcessFrozen, Measured: "undetected_for", Takes: watched(found.Ceiling)}},
		timedOut(peerOff, report.HostOff, also...),
		{State: Idle, Fault: peerRebooted, From: fromReturn, Window: m.trip(timing.Window{Ceiling: probe, Source: "the next keepalive probe"}),
			Told: unix.ErrnoName(unix.ECONNRESET), By: "RST to the next probe",
			Claims: []string{proved, "host-crash/keepalive-finds-reboot"},
			Proof:  detection(proved, report.HostRebooted, "detected_after_return", k.Probes()[0].Ceiling)},
		timedOut(cableOut, report.CableOut, "cable/keepalive-silence-ends"),
		timedOut(firewallDrops, report.PathSilent, "middlebox/late-keepalive-dropped"),
	}
}

// unguarded is a reader without SO_KEEPALIVE, of which TCP_USER_TIMEOUT makes none.
func (m model) unguarded() []Row {
	k := m.keepalive()
	k.UserTimeout = 0
	return []Row{
		m.killed(Unguarded, detectedByNothing),
		{State: Unguarded, Fault: anythingElse, Never: true, By: "no timer is armed",
			Claims: []string{detectedByNothing, "host-crash/idle-stays-established", "host-crash/idle-no-timer", "host-crash/idle-user-timeout-alone"},
			Proof:  Proof{Claim: detectedByNothing, Case: report.HostOff, Measured: "undetected_for", Takes: watched(k.Detection().Ceiling)}},
	}
}

// neighbours are how address resolution is shipped, over either family.
func (m model) neighbours() timing.Resolution {
	return timing.Resolution{Solicitations: 3, Interval: time.Second, Wheel: m.wheel}
}

func (m model) connecting() []Row {
	syn := timing.SYN{Retries: m.SynRetries, Linear: m.SynLinear, RTOMax: m.RTOMax, Wheel: m.wheel}
	abort := syn.Abort()
	by, proof := fmt.Sprintf("tcp_syn_retries %d", m.SynRetries), Proof{Claim: "open/syn-ladder"}
	if syn.UserTimeout = m.UserTimeout; syn.UserTimeout != 0 {
		if m.UserTimeout < abort.Floor {
			by = m.byUserTimeout("")
		}
		abort, proof = syn.Abort(), Proof{Claim: "retransmission/user-timeout-syn", Case: "shorter than the count"}
	}
	proof.Measured, proof.Told, proof.Takes = "aborted_after", "errno", abort.Ceiling
	return []Row{
		{State: Connecting, Fault: pathLosesSYN, From: "the first SYN", Window: abort, Told: unix.ErrnoName(unix.ETIMEDOUT),
			By: by, Claims: []string{proof.Claim}, Proof: proof},
		m.unresolved(syn, by, proof.Claim),
	}
}

// unresolved is the row of a connect(2) to a neighbour whose address nobody answers for: address resolution
// fails, or the time of connect(2) is over before it does.
//
// Over IPv4 the error that says so first undoes a doubling (tcp_ld_RTO_revert), which fires the timer at once
// where the copy of the SYN never left the neighbour's queue; and if that finds as many copies made as are
// allowed, connect(2) fails with ETIMEDOUT at that moment, in the place of EHOSTUNREACH. It was seen with
// tcp_syn_retries=2 and no linear timeouts, 3.06 s after the SYN.
func (m model) unresolved(syn timing.SYN, by, claim string) Row {
	failure, abort := m.neighbours().Failure(), syn.Abort()
	copies := 0
	for _, send := range syn.Sends()[1:] {
		if send.Floor <= failure.Ceiling {
			copies++
		}
	}
	row := Row{State: Connecting, Fault: neighbourOff, From: "the first SYN", Window: failure, Told: unix.ErrnoName(unix.EHOSTUNREACH),
		By: "address resolution", Claims: []string{"open/unresolved"},
		Proof: Proof{Claim: "open/unresolved", Measured: "detected_after", Told: "errno", Takes: failure.Ceiling}}
	last := copies >= syn.Retries+syn.Linear
	if abort.Floor > failure.Ceiling && !last {
		return row
	}
	row.Window.Floor, row.Window.Ceiling = min(failure.Floor, abort.Floor), min(failure.Ceiling, abort.Ceiling)
	row.By, row.Claims, row.Proof = "whichever is first", append(row.Claims, claim), Proof{}
	row.Told = "either errno"
	if abort.Ceiling < failure.Floor {
		row.Told, row.By = unix.ErrnoName(unix.ETIMEDOUT), by
	}
	return row
}

func (m model) closed() []Row {
	gone := m.across(func(rto time.Duration) timing.Window {
		return timing.Orphan{Retries: m.OrphanRetries, RTO: rto, RTOMin: m.RTOMin, RTOMax: m.RTOMax, UserTimeout: m.UserTimeout,
			TailLossProbe: m.EarlyRetrans >= 3, Wheel: m.wheel}.Gone()
	})
	by, proof := fmt.Sprintf("tcp_orphan_retries %d", m.OrphanRetries), Proof{Claim: "close/orphan-lifetime", Case: "FIN-WAIT-1"}
	if m.OrphanRetries == 0 {
		by += " (8)"
	}
	if m.UserTimeout != 0 {
		by, proof = m.byUserTimeout(""), Proof{Claim: "close/orphan-user-timeout"}
	}
	proof.Measured, proof.Takes, proof.Looked = "expired_after", gone.Ceiling, true
	half := m.across(func(rto time.Duration) timing.Window {
		return timing.FinWait2{Timeout: m.FinTimeout, RTO: rto, Wheel: m.wheel}.Gone()
	})
	const held = "close/fin-wait2-clock-starts-at-close"
	return []Row{
		{State: Closed, Fault: finLost, From: "the FIN", Window: gone, By: by, Claims: []string{proof.Claim, "close/orphan-no-rst"}, Proof: proof},
		{State: Closed, Fault: peerNeverCloses, From: "the FIN", Window: half, By: fmt.Sprintf("tcp_fin_timeout %d", seconds(m.FinTimeout)),
			Claims: []string{held},
			Proof:  Proof{Claim: held, Measured: "expired_after", Takes: half.Ceiling * 3 / 2, Looked: true}},
	}
}

func probes(n int) string {
	if n == 1 {
		return "1 probe"
	}
	return fmt.Sprintf("%d probes", n)
}
