package socket

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Counters are a network namespace's counters by name: "TCPTimeouts", "OutRsts", "RetransSegs".
//
// Names are the kernel's own. Those of IP, ICMP, UDP and MPTCP carry their group, since they would
// not tell themselves apart otherwise: "IpOutNoRoutes", "IcmpMsgInType3", "IpExtInOctets",
// "UdpInErrors", "MPTcpExtMPCapableSYNRX"; those of IPv6 carry theirs in the kernel already:
// "Ip6OutNoRoutes", "Icmp6InErrors". Those of Tcp and TcpExt carry none. The TCP counters count
// IPv4 and IPv6 together.
//
// A counter that the kernel does not have reads 0.
type Counters map[string]uint64

// ReadCounters reads the counters of the calling thread's network namespace.
func ReadCounters() (Counters, error) {
	c := Counters{}
	// /proc/self/net would be the namespace of the process's first thread.
	const folder = "/proc/thread-self/net/"
	for _, name := range []string{"snmp", "netstat", "snmp6"} {
		text, err := os.ReadFile(folder + name)
		if name == "snmp6" && errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err == nil {
			if name == "snmp6" {
				err = c.parsePairs(text)
			} else {
				err = c.parseTable(text)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("read the counters in %s: %w", folder+name, err)
		}
	}
	return c, nil
}

// Since are the differences to counters read before; those that did not change are left out, and
// so read 0.
func (c Counters) Since(before Counters) Counters {
	changed := Counters{}
	for name, value := range c {
		// Gauges (CurrEstab) may have fallen; the difference wraps as the kernel's own do.
		if difference := value - before[name]; difference != 0 {
			changed[name] = difference
		}
	}
	return changed
}

// String is all of them in order: "OutRsts 1, TCPTimeouts 3".
func (c Counters) String() string {
	var parts []string
	for name, value := range c {
		parts = append(parts, fmt.Sprintf("%s %d", name, int64(value)))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// parseTable reads /proc/net/snmp and netstat: a line of names, then a line of values, both with
// their group in front.
func (c Counters) parseTable(text []byte) error {
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() {
		names := strings.Fields(lines.Text())
		if !lines.Scan() {
			return errors.New("names without values")
		}
		values := strings.Fields(lines.Text())
		if len(names) == 0 || len(names) != len(values) || names[0] != values[0] {
			return fmt.Errorf("%d names and %d values", len(names), len(values))
		}
		group := strings.TrimSuffix(names[0], ":")
		if group == "Tcp" || group == "TcpExt" {
			group = ""
		}
		for i, name := range names[1:] {
			if err := c.set(group+name, values[i+1]); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

// parsePairs reads /proc/net/snmp6: a name and a value on each line.
func (c Counters) parsePairs(text []byte) error {
	for line := range strings.Lines(string(text)) {
		pair := strings.Fields(line)
		if len(pair) != 2 {
			return fmt.Errorf("a line that is not a name and a value: %q", line)
		}
		if err := c.set(pair[0], pair[1]); err != nil {
			return err
		}
	}
	return nil
}

// set takes a value; Tcp's MaxConn is -1.
func (c Counters) set(name, text string) error {
	if value, err := strconv.ParseUint(text, 10, 64); err == nil {
		c[name] = value
		return nil
	}
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("counter %s: %w", name, err)
	}
	c[name] = uint64(value)
	return nil
}
