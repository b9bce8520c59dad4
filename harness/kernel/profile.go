package kernel

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
)

// Profile is how the namespace of a host is set before a spec begins.
type Profile string

const (
	// Scaled makes waits short enough for the wall clock: a few seconds in the place of a quarter of an hour.
	Scaled Profile = "scaled"
	// Defaults leaves every timeout as the kernel has it; only what a claim depends on is pinned.
	Defaults Profile = "defaults"
)

// ParseProfile is the profile of that name: one of the two, or a [Custom] one.
func ParseProfile(name string) (Profile, error) {
	p := Profile(name)
	switch p {
	case Scaled, Defaults:
		return p, nil
	}
	if _, custom, err := p.parseCustom(); custom {
		return p, err
	}
	return "", fmt.Errorf("there is no profile %q: it must be %s or %s", name, Scaled, Defaults)
}

// Setting is a sysctl, the value a host's namespace must have, and why.
type Setting struct{ Name, Value, Why string }

// Settings are the sysctls the profile sets, in order. Every other one stays as a new namespace has it.
//
// IPv6 link-local addresses are left on purpose, though they make a host say a few multicast listener
// reports: without one, ndisc_send_ns has no source for the probes of a known neighbour, and
// every IPv6 neighbour fails a few seconds after it was last confirmed.
func (p Profile) Settings() []Setting {
	settings := []Setting{
		{"net.ipv4.tcp_congestion_control", "reno", "the same window growth on every kernel; the one algorithm that each has and each lets a namespace without root choose"},
		{"net.ipv4.tcp_early_retrans", "3", "the tail loss probe is sent, and is the first retransmission"},
		{"net.ipv4.tcp_no_metrics_save", "1", "no connection inherits the RTO of the one before it"},
		{"net.ipv4.tcp_timestamps", "1", "RTT is measured on retransmissions too"},
		{"net.ipv4.tcp_sack", "1", "the tail loss probe needs SACK"},
		{"net.ipv4.tcp_frto", "2", "recovery after a spurious timeout"},
		{"net.ipv4.tcp_recovery", "1", "loss detection by time (RACK)"},
		{"net.ipv4.tcp_ecn", "0", "no ECN flags in a SYN, which later kernels may ask for"},
		{"net.ipv4.tcp_mtu_probing", "0", "the only thing by which tcp_retries1 could be seen"},
		{"net.ipv4.tcp_thin_linear_timeouts", "0", "every timeout is backed off"},
		{"net.ipv4.icmp_ratelimit", "0", "every packet that a firewall rejects is answered"},
		{"net.ipv4.icmp_ratemask", "0", "nor counts any of those answers against the limit of the whole kernel"},
		{"net.ipv6.icmp.ratelimit", "0", "every packet that a firewall rejects is answered"},
	}
	// "default" is what interfaces yet to come begin with. Of these, "all" has a say in accept_dad alone: the larger holds.
	const conf = "net.ipv6.conf.default."
	settings = append(settings,
		Setting{"net.ipv6.conf.all.accept_dad", "0", "nor does any interface ask for it"},
		Setting{conf + "accept_dad", "0", "addresses can be used at once"},
		Setting{conf + "dad_transmits", "0", "no duplicate address detection on the wire"},
		Setting{conf + "accept_ra", "0", "no router tells hosts anything"},
		Setting{conf + "autoconf", "0", "no addresses but ours"},
		Setting{conf + "router_solicitations", "0", "nobody asks for a router"},
	)
	custom, _ := p.Custom()
	settings = slices.DeleteFunc(settings, func(s Setting) bool { return custom.asksFor(s.Name) })
	settings = append(settings, custom.settings()...)
	if p == Scaled {
		settings = append(settings,
			Setting{"net.ipv4.tcp_retries1", "2", "below tcp_retries2: 1.4 s"},
			Setting{"net.ipv4.tcp_retries2", "3", "abort 6.7 s after the write"},
			Setting{"net.ipv4.tcp_keepalive_time", "1", "first probe after 1 s of silence"},
			Setting{"net.ipv4.tcp_keepalive_intvl", "1", "a probe each second"},
			Setting{"net.ipv4.tcp_keepalive_probes", "3", "a dead peer is found after 4 s"},
			Setting{"net.ipv4.tcp_fin_timeout", "2", "an orphan in FIN_WAIT2 goes after 2 s"},
			Setting{"net.ipv4.tcp_orphan_retries", "2", "an orphan with an unacknowledged FIN goes after 3.3 s"},
			Setting{"net.ipv4.tcp_syn_retries", "2", "connect fails after 7 s"},
			Setting{"net.ipv4.tcp_synack_retries", "2", "a half-open connection is dropped after 7 s"},
		)
	}
	return settings
}

// Apply makes the profile's settings those of the namespace of the calling thread. A sysctl that the
// kernel does not have is left out, unless a custom profile asks for it; every other failure is
// reported, all of them together.
func (p Profile) Apply() error { return p.apply(func(Setting) bool { return true }) }

// ApplyToNew is Apply for a namespace that is new. What such a namespace has anyway is not written: it is read once, of
// the first one in this process. To write a sysctl takes 13,000 instructions, because the kernel makes a file of it
// first, for each namespace anew.
func (p Profile) ApplyToNew() error {
	return p.apply(func(s Setting) bool {
		value, known := ofNew.Load(s.Name)
		if !known {
			read, err := Sysctl(s.Name)
			if err != nil {
				return true // the same error is to come
			}
			value, _ = ofNew.LoadOrStore(s.Name, read)
		}
		return value != s.Value
	})
}

// ofNew are sysctls of a new namespace, by name.
var ofNew sync.Map

// apply sets those settings that are needed.
func (p Profile) apply(needed func(Setting) bool) error {
	if _, err := ParseProfile(string(p)); err != nil {
		return err
	}
	custom, _ := p.Custom()
	var errs []error
	for _, s := range p.Settings() {
		if !needed(s) {
			continue
		}
		if err := SetSysctl(s.Name, s.Value); err != nil && (custom.asksFor(s.Name) || !errors.Is(err, os.ErrNotExist)) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("profile %s could not be set: %w", p, err)
	}
	return nil
}
