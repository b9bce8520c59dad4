package kernel

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Forward makes the namespace of the calling thread a router, in both families.
func Forward() error {
	for _, name := range []string{"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"} {
		if err := SetSysctl(name, "1"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("forwarding could not be switched on: %w", err)
		}
	}
	return nil
}

// Conntrack is how connection tracking treats TCP, as a namespace has it set (nf_conntrack-sysctl.rst).
type Conntrack struct {
	// How long an entry lives after the last segment, by what it is an entry of (tcp_timeouts).
	SynSent, SynRecv, Established, FinWait, CloseWait, LastAck, TimeWait, Close time.Duration

	MaxRetransTimeout time.Duration // nf_conntrack_tcp_timeout_max_retrans: after MaxRetrans retransmissions, or window 0
	Unacknowledged    time.Duration // nf_conntrack_tcp_timeout_unacknowledged: instead of a longer one while data is unacknowledged

	MaxRetrans int  // nf_conntrack_tcp_max_retrans
	Loose      bool // nf_conntrack_tcp_loose: a segment of a connection that is not known begins an entry
	BeLiberal  bool // nf_conntrack_tcp_be_liberal: only a RST out of the window is invalid
}

const conntrackPrefix = "net.netfilter.nf_conntrack_tcp_"

// ReadConntrack reads the Conntrack of the namespace of the calling thread. Where the kernel tracks no
// connections, or its module has not been loaded yet, the error is os.ErrNotExist to errors.Is.
func ReadConntrack() (Conntrack, error) {
	var c Conntrack
	var errs []error
	number := func(name string) int {
		n, err := SysctlInt(conntrackPrefix + name)
		errs = append(errs, err)
		return n
	}
	for name, timeout := range map[string]*time.Duration{
		"syn_sent": &c.SynSent, "syn_recv": &c.SynRecv, "established": &c.Established,
		"fin_wait": &c.FinWait, "close_wait": &c.CloseWait, "last_ack": &c.LastAck, "time_wait": &c.TimeWait,
		"close": &c.Close, "max_retrans": &c.MaxRetransTimeout, "unacknowledged": &c.Unacknowledged,
	} {
		*timeout = time.Duration(number("timeout_"+name)) * time.Second
	}
	c.MaxRetrans = number("max_retrans")
	c.Loose = number("loose") != 0
	c.BeLiberal = number("be_liberal") != 0
	if err := errors.Join(errs...); err != nil {
		return Conntrack{}, fmt.Errorf("the timeouts of connection tracking could not be read: %w", err)
	}
	return c, nil
}

// ConntrackSettings are the sysctls that the profile sets on a router that tracks connections.
func (p Profile) ConntrackSettings() []Setting {
	if p != Scaled {
		return nil
	}
	return []Setting{
		{conntrackPrefix + "timeout_established", "2", "an idle connection is forgotten after 2 s"},
	}
}
