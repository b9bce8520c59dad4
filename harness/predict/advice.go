package predict

import (
	"fmt"
	"strings"
	"time"

	"github.com/halfopen/halfopen/harness/timing"
)

// Advice is a setting that notices within a time.
type Advice struct {
	Knob   string // the sysctl or socket option
	Value  string // empty if no value gets there
	Window timing.Window
	Covers string
	Misses string
	Note   string // empty if there is nothing to add
}

// Advise inverts the models: of each knob the largest value with which a fault is noticed within the time,
// at the latest. Larger values are gentler on paths that are only slow to recover.
func Advise(settings Settings, hz int, within time.Duration) []Advice {
	m := model{Settings: settings, wheel: timing.Wheel{HZ: hz}}
	return []Advice{m.adviseRetries2(within), m.adviseKeepalive(within), m.adviseUserTimeout(within), m.adviseSyn(within), m.adviseOrphan(within)}
}

// Advised are the settings with which everything that a kernel can notice is noticed within the time: what
// Advise says, all together. With TCP_USER_TIMEOUT set keepalive's count does not count any more, so the
// user timeout is one at which the probes' next tick is in time as well.
func Advised(settings Settings, hz int, within time.Duration) (Settings, bool) {
	m := model{Settings: settings, wheel: timing.Wheel{HZ: hz}}
	keepalive, ok := m.keepaliveWithin(within)
	if !ok {
		return settings, false
	}
	m.Keepalive, m.KeepaliveTime, m.KeepaliveInterval, m.KeepaliveProbes = true, keepalive.Idle, keepalive.Interval, keepalive.Count
	userTimeout, ok := m.userTimeoutWithin(within)
	if !ok {
		return settings, false
	}
	m.UserTimeout = userTimeout
	return m.Settings, true
}

// Flags are the flags of the command that say how the settings, with keepalive on, differ from a system's.
func (s Settings) Flags(from Settings) string {
	var flags []string
	flag := func(differs bool, format string, args ...any) {
		if differs {
			flags = append(flags, fmt.Sprintf(format, args...))
		}
	}
	flag(s.Retries2 != from.Retries2, "--retries2 %d", s.Retries2)
	flag(s.KeepaliveTime != from.KeepaliveTime || s.KeepaliveInterval != from.KeepaliveInterval || s.KeepaliveProbes != from.KeepaliveProbes,
		"--keepalive %d/%d/%d", seconds(s.KeepaliveTime), seconds(s.KeepaliveInterval), s.KeepaliveProbes)
	flag(s.UserTimeout != from.UserTimeout, "--user-timeout %v", s.UserTimeout)
	flag(s.RTT != from.RTT, "--rtt %v", s.RTT)
	flag(s.RTOMin != from.RTOMin, "--rto-min %v", s.RTOMin)
	flag(s.RTOMax != from.RTOMax, "--rto-max %v", s.RTOMax)
	flag(s.SynRetries != from.SynRetries, "--syn-retries %d", s.SynRetries)
	flag(s.SynLinear != from.SynLinear, "--syn-linear-timeouts %d", s.SynLinear)
	flag(s.OrphanRetries != from.OrphanRetries, "--orphan-retries %d", s.OrphanRetries)
	flag(s.FinTimeout != from.FinTimeout, "--fin-timeout %d", seconds(s.FinTimeout))
	flag(s.EarlyRetrans != from.EarlyRetrans, "--early-retrans %d", s.EarlyRetrans)
	return strings.Join(flags, " ")
}

// largest is the largest n from least to most for which the window's ceiling is in time. Windows grow with n.
func largest(least, most int, within time.Duration, window func(n int) timing.Window) (n int, w timing.Window, found bool) {
	for n = least; n <= most; n++ {
		next := window(n)
		if next.Ceiling > within {
			break
		}
		w, found = next, true
	}
	return n - 1, w, found
}

func (m model) adviseRetries2(within time.Duration) Advice {
	m.UserTimeout = 0
	a := Advice{Knob: "net.ipv4.tcp_retries2",
		Covers: "written data that nobody acknowledges, in every connection of the host",
		Misses: "idle connections; a frozen process; a peer that does not read"}
	n, w, found := largest(0, mostRetries, within, func(n int) timing.Window {
		m.Retries2 = n
		return m.abort()
	})
	if found {
		a.Value, a.Window = fmt.Sprint(n), w
		if n < leastR2 {
			a.Note = fmt.Sprintf("RFC 9293 asks for 100 s at least (SHLD-11), which is %d", leastR2)
		}
	}
	return a
}

// leastR2 is the least tcp_retries2 that stands for 100 s (RFC 9293 SHLD-11).
const leastR2 = 8

func (m model) adviseKeepalive(within time.Duration) Advice {
	a := Advice{Knob: "SO_KEEPALIVE, time/interval/count",
		Covers: "idle connections whose peer, path or firewall is gone",
		Misses: "data in flight, which has tcp_retries2; a frozen process"}
	if k, ok := m.keepaliveWithin(within); ok {
		a.Value, a.Window = fmt.Sprintf("%d/%d/%d", seconds(k.Idle), seconds(k.Interval), k.Count), k.Detection()
	}
	return a
}

// keepaliveWithin is a keepalive that spends half the time on its idle time and the rest on as many probes as
// fit, three at the most, so that a lost probe or two are no death.
func (m model) keepaliveWithin(within time.Duration) (timing.Keepalive, bool) {
	for count := 3; count >= 1; count-- {
		interval := min((within / 2 / time.Duration(count)).Truncate(time.Second), mostOwnKeepalive)
		if interval < time.Second {
			continue
		}
		k := timing.Keepalive{Interval: interval, Count: count, Wheel: m.wheel}
		for k.Idle = min(within-interval*time.Duration(count), mostOwnKeepalive).Truncate(time.Second); k.Idle >= time.Second; k.Idle -= step(k.Idle) {
			if k.Detection().Ceiling <= within {
				return k, true
			}
		}
	}
	return timing.Keepalive{}, false
}

// mostOwnKeepalive is MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL, what a socket can have.
const mostOwnKeepalive = 32767 * time.Second

// step is by how much a setting is lowered that is too large: a hundredth, in whole seconds.
func step(d time.Duration) time.Duration { return max((d / 100).Truncate(time.Second), time.Second) }

func (m model) adviseUserTimeout(within time.Duration) Advice {
	a := Advice{Knob: "TCP_USER_TIMEOUT (a socket option)",
		Covers: "data, a closed window, connect(2), an orphan; with keepalive it replaces the count",
		Misses: "idle connections without keepalive; a frozen process that has not filled its window"}
	m.Keepalive = false
	if timeout, ok := m.userTimeoutWithin(within); ok {
		m.UserTimeout = timeout
		a.Value, a.Window = fmt.Sprintf("%g s", timeout.Seconds()), m.abort()
	}
	return a
}

// userTimeoutWithin is the largest TCP_USER_TIMEOUT with which data, a closed window and, if it is on,
// keepalive end within the time.
func (m model) userTimeoutWithin(within time.Duration) (time.Duration, bool) {
	grain := time.Second
	if within < 10*time.Second {
		grain = 100 * time.Millisecond
	}
	for m.UserTimeout = min(within, mostUser).Truncate(grain); m.UserTimeout > 0; m.UserTimeout -= max(grain, (m.UserTimeout / 200).Truncate(grain)) {
		late := max(m.abort().Ceiling, m.windowClosed()[0].Window.Ceiling)
		if m.Keepalive {
			late = max(late, m.keepalive().Detection().Ceiling)
		}
		if late <= within {
			return m.UserTimeout, true
		}
	}
	return 0, false
}

func (m model) adviseSyn(within time.Duration) Advice {
	a := Advice{Knob: "net.ipv4.tcp_syn_retries", Covers: "connect(2) to what does not answer", Misses: "everything after the handshake"}
	n, w, found := largest(1, mostSyn, within, func(n int) timing.Window {
		return timing.SYN{Retries: n, Linear: m.SynLinear, RTOMax: m.RTOMax, Wheel: m.wheel}.Abort()
	})
	if found {
		a.Value, a.Window = fmt.Sprint(n), w
	}
	return a
}

func (m model) adviseOrphan(within time.Duration) Advice {
	m.UserTimeout = 0
	a := Advice{Knob: "net.ipv4.tcp_orphan_retries", Covers: "sockets that the application has closed, and their memory", Misses: "everything before close(2)"}
	n, w, found := largest(1, mostRetries, within, func(n int) timing.Window {
		m.OrphanRetries = n
		return m.closed()[0].Window
	})
	if found {
		a.Value, a.Window = fmt.Sprint(n), w
	}
	return a
}
