package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/halfopen/halfopen/harness/internal/procfs"
)

// Counters are a network namespace's counters at one moment, as the kernel wrote them: a spec asks for one or two of
// the 400.
type Counters struct {
	Tables string // /proc/net/snmp and netstat: a line of names and a line of values, both with their group in front
	Pairs  string // /proc/net/snmp6: a name and a value on each line
}

// folder is where the kernel shows the counters of the calling thread's namespace: /proc/self/net would be that of the
// process's first thread.
const folder = "/proc/thread-self/net/"

// ReadCounters reads the counters of the calling thread's network namespace, but for those of IPv6.
func ReadCounters() (Counters, error) {
	snmp, err := procfs.Read(folder + "snmp")
	netstat, err2 := procfs.Read(folder + "netstat")
	if err := errors.Join(err, err2); err != nil {
		return Counters{}, fmt.Errorf("read the counters: %w", err)
	}
	return Counters{Tables: string(append(snmp, netstat...))}, nil
}

// ReadIPv6Counters reads the counters of IPv6, which the kernel writes by themselves, and as slowly as all others
// together. A kernel without IPv6 has none.
func ReadIPv6Counters() (Counters, error) {
	snmp6, err := procfs.Read(folder + "snmp6")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Counters{}, fmt.Errorf("read the counters of IPv6: %w", err)
	}
	return Counters{Pairs: string(snmp6)}, nil
}

// OfIPv6 tells whether a counter of that name is one of ReadIPv6Counters.
func OfIPv6(name string) bool {
	return slices.ContainsFunc([]string{"Ip6", "Icmp6", "Udp6", "UdpLite6"}, func(group string) bool { return strings.HasPrefix(name, group) })
}

// Value is a counter by its name: "TCPTimeouts", "OutRsts", "RetransSegs"; known is false, and the value 0, where
// the kernel does not have it.
//
// Names are the kernel's own. Those of IP, ICMP, UDP and MPTCP carry their group, since they would
// not tell themselves apart otherwise: "IpOutNoRoutes", "IcmpMsgInType3", "IpExtInOctets",
// "UdpInErrors", "MPTcpExtMPCapableSYNRX"; those of IPv6 carry theirs in the kernel already:
// "Ip6OutNoRoutes", "Icmp6InErrors". Those of Tcp and TcpExt carry none. The TCP counters count
// IPv4 and IPv6 together.
func (c Counters) Value(name string) (value uint64, known bool) {
	for line := range strings.Lines(c.Pairs) {
		if rest, ok := strings.CutPrefix(line, name); ok && strings.TrimLeft(rest, " \t") != rest {
			return number(strings.TrimSpace(rest))
		}
	}
	tables := c.Tables
	for tables != "" {
		var names, values string
		names, tables, _ = strings.Cut(tables, "\n")
		values, tables, _ = strings.Cut(tables, "\n")
		group, names, _ := strings.Cut(names, ": ")
		_, values, _ = strings.Cut(values, ": ")
		wanted := name
		if group != "Tcp" && group != "TcpExt" {
			var ok bool
			if wanted, ok = strings.CutPrefix(name, group); !ok {
				continue
			}
		}
		for names != "" {
			var each, text string
			each, names, _ = strings.Cut(names, " ")
			text, values, _ = strings.Cut(values, " ")
			if each == wanted {
				return number(text)
			}
		}
	}
	return 0, false
}

// number is what a counter's text says; Tcp's MaxConn is -1.
func number(text string) (uint64, bool) {
	if value, err := strconv.ParseUint(text, 10, 64); err == nil {
		return value, true
	}
	value, err := strconv.ParseInt(text, 10, 64)
	return uint64(value), err == nil
}
