package kernel

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Timeouts are the numbers by which TCP gives up, as a namespace has them: what timing's models take.
type Timeouts struct {
	Retries1, Retries2 int           // tcp_retries1, tcp_retries2
	RTOMin, RTOMax     time.Duration // tcp_rto_min_us (6.11), tcp_rto_max_ms (6.15); before: 200 ms, 120 s

	KeepaliveTime, KeepaliveInterval time.Duration // tcp_keepalive_time, tcp_keepalive_intvl
	KeepaliveProbes                  int           // tcp_keepalive_probes

	SynRetries, SynLinear int // tcp_syn_retries, tcp_syn_linear_timeouts (6.5; before: 0)
	SynackRetries         int // tcp_synack_retries

	OrphanRetries int           // tcp_orphan_retries, as it is written: 0 stands for 8
	FinTimeout    time.Duration // tcp_fin_timeout
	EarlyRetrans  int           // tcp_early_retrans: 3 and 4 send tail loss probes
}

// ReadTimeouts reads the Timeouts of the namespace of the calling thread. Where the kernel has no such
// sysctl, the constant it has in its place is given.
func ReadTimeouts() (Timeouts, error) {
	t := Timeouts{RTOMin: 200 * time.Millisecond, RTOMax: 120 * time.Second} // TCP_RTO_MIN, TCP_RTO_MAX
	var errs []error
	number := func(name string, absent int) int {
		n, err := SysctlInt("net.ipv4." + name)
		switch {
		case errors.Is(err, os.ErrNotExist) && absent >= 0:
			return absent
		case err != nil:
			errs = append(errs, err)
		}
		return n
	}
	const required = -1
	t.Retries1, t.Retries2 = number("tcp_retries1", required), number("tcp_retries2", required)
	t.RTOMin = time.Duration(number("tcp_rto_min_us", int(t.RTOMin/time.Microsecond))) * time.Microsecond
	t.RTOMax = time.Duration(number("tcp_rto_max_ms", int(t.RTOMax/time.Millisecond))) * time.Millisecond
	t.KeepaliveTime = time.Duration(number("tcp_keepalive_time", required)) * time.Second
	t.KeepaliveInterval = time.Duration(number("tcp_keepalive_intvl", required)) * time.Second
	t.KeepaliveProbes = number("tcp_keepalive_probes", required)
	t.SynRetries, t.SynLinear = number("tcp_syn_retries", required), number("tcp_syn_linear_timeouts", 0)
	t.SynackRetries = number("tcp_synack_retries", required)
	t.OrphanRetries = number("tcp_orphan_retries", required)
	t.FinTimeout = time.Duration(number("tcp_fin_timeout", required)) * time.Second
	t.EarlyRetrans = number("tcp_early_retrans", required)
	if err := errors.Join(errs...); err != nil {
		return Timeouts{}, fmt.Errorf("the timeouts of the namespace could not be read: %w", err)
	}
	return t, nil
}

// ShippedTimeouts are the Timeouts of a release where nobody has set anything: what a new namespace has
// (tcp_sk_init).
func ShippedTimeouts(release Version) Timeouts {
	t := Timeouts{
		Retries1: 3, Retries2: 15,
		RTOMin: 200 * time.Millisecond, RTOMax: 120 * time.Second,
		KeepaliveTime: 2 * time.Hour, KeepaliveInterval: 75 * time.Second, KeepaliveProbes: 9,
		SynRetries: 6, SynackRetries: 5,
		FinTimeout: time.Minute, EarlyRetrans: 3,
	}
	if linear, err := FeatureNamed("tcp_syn_linear_timeouts"); err == nil && release.AtLeast(linear.Since) {
		t.SynLinear = 4
	}
	return t
}
