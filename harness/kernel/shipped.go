package kernel

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// shippedNames are the settings that claims depend on and that differ between releases or builds.
func shippedNames() []string {
	names := []string{
		"net.ipv4.icmp_ratelimit", "net.ipv4.icmp_ratemask",
		"net.netfilter.nf_conntrack_tcp_ignore_invalid_rst",
	}
	for _, name := range []string{
		"abort_on_overflow", "challenge_ack_limit", "early_retrans", "ecn", "fin_timeout", "frto",
		"invalid_ratelimit", "keepalive_intvl", "keepalive_probes", "keepalive_time", "migrate_req",
		"mtu_probing", "no_metrics_save", "orphan_retries", "recovery", "retries1", "retries2", "rfc1337",
		"rto_max_ms", "rto_min_us", "sack", "syn_linear_timeouts", "syn_retries", "synack_retries", "syncookies",
		"thin_linear_timeouts", "timestamps", "tw_reuse", "tw_reuse_delay",
	} {
		names = append(names, "net.ipv4.tcp_"+name)
	}
	for _, name := range []string{
		"be_liberal", "loose", "max_retrans", "timeout_close", "timeout_close_wait", "timeout_established", "timeout_fin_wait",
		"timeout_last_ack", "timeout_max_retrans", "timeout_syn_recv", "timeout_syn_sent", "timeout_time_wait", "timeout_unacknowledged",
	} {
		names = append(names, conntrackPrefix+name)
	}
	return names
}

// Shipped are the kernel's own values of the settings that claims depend on, by name, as a network
// namespace has them that nobody has touched; one that the kernel does not have is missing. The calling
// process must be allowed to make a namespace.
func Shipped() (map[string]string, error) {
	values := map[string]string{}
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and its namespace with it.
		runtime.LockOSThread()
		done <- readShipped(values)
	}()
	if err := <-done; err != nil {
		return nil, fmt.Errorf("the settings of a new network namespace could not be read: %w", err)
	}
	return values, nil
}

func readShipped(values map[string]string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	var errs []error
	for _, name := range shippedNames() {
		value, err := Sysctl(name)
		switch {
		case err == nil:
			values[name] = value
		// Some are for the first namespace's owner alone, and EPERM or EACCES elsewhere.
		case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		default:
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
