package predict

import (
	"fmt"
	"time"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/timing"
)

// Settings are all that the models need to know of a system and of its application.
type Settings struct {
	kernel.Timeouts               // the keepalive ones may be the socket's own (TCP_KEEPIDLE, ...)
	Keepalive       bool          // SO_KEEPALIVE is set
	UserTimeout     time.Duration // TCP_USER_TIMEOUT, whole milliseconds; 0: not set
	RTT             time.Duration // the path's smoothed round trip, as ss -ti says it; 0: not known, but short
}

const (
	// rttGrain is how exactly a round trip is known: one of RTT may as well be so much longer.
	rttGrain = time.Millisecond
	// delayedACK is what a peer that has nothing to answer adds to a round trip that is not known
	// (TCP_DELACK_MIN). It makes of an RTO of 204 ms one of 244 ms, and 107 s of tcp_retries2=8 up to 128 s.
	delayedACK = 40 * time.Millisecond
)

// Limits of what the kernel takes: sysctl_net_ipv4.c, tcp.c, MAX_TCP_SYNCNT.
const (
	mostRetries = 255 // a byte
	mostSyn     = 127
	mostProbes  = 255                   // of the sysctl; a socket's own are 127 at the most
	mostTime    = 2147483 * time.Second // INT_MAX jiffies at HZ 1000; a socket's own keepalive is 32767 s at the most
	mostUser    = 1<<31*time.Millisecond - time.Millisecond
	mostRTT     = 2 * time.Second // this suite's: what is longer is no path of TCP's timers
)

// Check says what of the settings no kernel takes, in one sentence with the values it does take.
func (s Settings) Check() error {
	number := func(name string, value, least, most int) error {
		if value < least || value > most {
			return fmt.Errorf("%s is %d to %d, not %d", name, least, most, value)
		}
		return nil
	}
	duration := func(name string, value, least, most time.Duration) error {
		if value < least || value > most {
			return fmt.Errorf("%s is %v to %v, not %v", name, least, most, value)
		}
		return nil
	}
	for _, err := range []error{
		number("tcp_retries2", s.Retries2, 0, mostRetries),
		number("tcp_orphan_retries", s.OrphanRetries, 0, mostRetries),
		number("tcp_syn_retries", s.SynRetries, 1, mostSyn),
		number("tcp_syn_linear_timeouts", s.SynLinear, 0, mostSyn),
		number("tcp_early_retrans", s.EarlyRetrans, 0, 4),
		duration("the keepalive time", s.KeepaliveTime, time.Second, mostTime),
		duration("the keepalive interval", s.KeepaliveInterval, time.Second, mostTime),
		number("the count of keepalive probes", s.KeepaliveProbes, 1, mostProbes),
		duration("tcp_rto_max_ms", s.RTOMax, time.Second, timing.RTOMax),
		duration("tcp_rto_min_us", s.RTOMin, time.Millisecond, s.RTOMax),
		duration("tcp_fin_timeout", s.FinTimeout, time.Second, mostTime),
		duration("TCP_USER_TIMEOUT", s.UserTimeout, 0, mostUser),
		duration("the round trip time", s.RTT, 0, mostRTT),
	} {
		if err != nil {
			return err
		}
	}
	if s.UserTimeout%time.Millisecond != 0 {
		return fmt.Errorf("TCP_USER_TIMEOUT is in whole milliseconds, not %v", s.UserTimeout)
	}
	return nil
}

// On are the settings on a kernel of that release, which may lack a sysctl: as long as nothing else is asked
// for than what the kernel does without it, or what newer ones do by default, it is as the kernel has it.
func (s Settings) On(release kernel.Version) (Settings, error) {
	shipped := kernel.ShippedTimeouts(release)
	newest := kernel.ShippedTimeouts(kernel.Version{1 << 15})
	for _, sysctl := range []struct {
		name            string
		asked, default_ any
		set             func()
	}{
		{"tcp_syn_linear_timeouts", s.SynLinear, newest.SynLinear, func() { s.SynLinear = shipped.SynLinear }},
		{"tcp_rto_min_us", s.RTOMin, newest.RTOMin, func() {}},
		{"tcp_rto_max_ms", s.RTOMax, newest.RTOMax, func() {}},
	} {
		feature, err := kernel.FeatureNamed(sysctl.name)
		if err != nil {
			return s, err
		}
		switch {
		case release.AtLeast(feature.Since):
		case sysctl.asked == sysctl.default_, sysctl.asked == 0:
			sysctl.set()
		default:
			return s, fmt.Errorf("%s cannot be %v on Linux %s, which has no such sysctl: %s brought it", sysctl.name, sysctl.asked, release, feature.Since)
		}
	}
	return s, nil
}

// Profile is the profile in which specs have these settings on a kernel of that release: where they are not
// the release's own.
func (s Settings) Profile(release kernel.Version, hz int) kernel.Profile {
	custom := kernel.Custom{Sysctls: map[string]int{}, UserTimeout: s.UserTimeout}
	shipped := kernel.ShippedTimeouts(release)
	for _, sysctl := range []struct {
		name             string
		asked, otherwise int
	}{
		{"tcp_retries2", s.Retries2, shipped.Retries2},
		{"tcp_keepalive_time", seconds(s.KeepaliveTime), seconds(shipped.KeepaliveTime)},
		{"tcp_keepalive_intvl", seconds(s.KeepaliveInterval), seconds(shipped.KeepaliveInterval)},
		{"tcp_keepalive_probes", s.KeepaliveProbes, shipped.KeepaliveProbes},
		{"tcp_syn_retries", s.SynRetries, shipped.SynRetries},
		{"tcp_syn_linear_timeouts", s.SynLinear, shipped.SynLinear},
		{"tcp_orphan_retries", s.OrphanRetries, shipped.OrphanRetries},
		{"tcp_fin_timeout", seconds(s.FinTimeout), seconds(shipped.FinTimeout)},
		{"tcp_early_retrans", s.EarlyRetrans, shipped.EarlyRetrans},
		{"tcp_rto_min_us", int(s.RTOMin / time.Microsecond), int(shipped.RTOMin / time.Microsecond)},
		{"tcp_rto_max_ms", int(s.RTOMax / time.Millisecond), int(shipped.RTOMax / time.Millisecond)},
	} {
		if sysctl.asked != sysctl.otherwise {
			custom.Sysctls[sysctl.name] = sysctl.asked
		}
	}
	if s.RTT != 0 {
		_, custom.RTO = s.RTO(timing.Wheel{HZ: hz})
	}
	return custom.Profile()
}

// RTO is the least and the most that the retransmission timeout can be at this round trip: right after the
// handshake the variation counts as twice the round trip, and on a steady path it shrinks to its floor.
func (s Settings) RTO(wheel timing.Wheel) (least, most time.Duration) {
	shortest, longest := s.RTT, s.RTT+rttGrain
	if s.RTT == 0 {
		shortest, longest = time.Microsecond, rttGrain+delayedACK
	}
	return timing.RTO(shortest, 0, s.RTOMin, s.RTOMax, wheel), timing.FirstRTO(longest, s.RTOMin, s.RTOMax, wheel)
}

func seconds(d time.Duration) int { return int(d / time.Second) }
