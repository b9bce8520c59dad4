package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/predict"
	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/sandbox"
)

type predictCommand struct {
	predictFlags
	Within time.Duration `placeholder:"TIME" help:"Advise which settings notice within so long, e.g. 30s."`
	JSON   bool          `help:"Print JSON."`
	verifyFlags
}

// predictFlags are settings in the place of the running system's. A pointer is nil where none is given.
type predictFlags struct {
	Retries2          *int           `name:"retries2" placeholder:"N" help:"tcp_retries2."`
	Keepalive         string         `placeholder:"IDLE/INTERVAL/COUNT" help:"tcp_keepalive_time, _intvl and _probes, or the socket's own, in seconds: 600/30/5."`
	NoKeepalive       bool           `help:"The application does not set SO_KEEPALIVE."`
	UserTimeout       *time.Duration `placeholder:"TIME" help:"The application sets TCP_USER_TIMEOUT, e.g. 20s."`
	RTT               time.Duration  `name:"rtt" placeholder:"TIME" help:"The path's round trip, e.g. 80ms; below a millisecond if not given."`
	RTOMin            *time.Duration `placeholder:"TIME" help:"tcp_rto_min_us, or the route's rto_min, e.g. 50ms."`
	RTOMax            *time.Duration `placeholder:"TIME" help:"tcp_rto_max_ms, or TCP_RTO_MAX_MS, e.g. 10s."`
	SynRetries        *int           `placeholder:"N" help:"tcp_syn_retries, or TCP_SYNCNT."`
	SynLinearTimeouts *int           `placeholder:"N" help:"tcp_syn_linear_timeouts."`
	OrphanRetries     *int           `placeholder:"N" help:"tcp_orphan_retries."`
	FinTimeout        *int           `placeholder:"S" help:"tcp_fin_timeout, in seconds."`
	EarlyRetrans      *int           `placeholder:"N" help:"tcp_early_retrans: 3 and 4 send tail loss probes."`
	HZ                int            `placeholder:"N" help:"CONFIG_HZ of another kernel than the running one."`
}

// What a kernel's CONFIG_HZ can be, on any architecture (arch/*/Kconfig).
const leastHZ, mostHZ = 24, 1200

// Run is called twice with --verify on the running kernel: outside, where the settings are read, and in
// namespaces of its own, which have the kernel's defaults and are told the settings.
func (c *predictCommand) Run(ctx context.Context) error {
	if err := c.verifyFlags.check(c.HZ); err != nil {
		return err
	}
	switch {
	case c.Within < 0:
		return fmt.Errorf("--within is a time to come, not %v", c.Within)
	case c.HZ != 0 && (c.HZ < leastHZ || c.HZ > mostHZ):
		return fmt.Errorf("--hz is a kernel's CONFIG_HZ, %d to %d, not %d: 100, 250, 300 and 1000 are usual", leastHZ, mostHZ, c.HZ)
	}
	running, err := kernel.Running()
	if err != nil {
		return err
	}
	system, err := systemSettings()
	if err != nil {
		return err
	}
	asked, err := c.settings(system)
	if err != nil {
		return err
	}
	on := target{name: running.Release, release: running.Parsed, hz: cmp.Or(c.HZ, running.HZ), machine: running.Machine, version: running.Version}
	if c.Verify {
		if on, err = c.choose(ctx, on); err != nil {
			return err
		}
	}
	settings, err := asked.On(on.release)
	if err != nil {
		return err
	}
	rows := predict.Predict(settings, on.hz)
	said := predict.Report{Kernel: on.kernel(), Settings: settings, Rows: rows, Within: c.Within}
	if c.Within > 0 {
		said.Advice = predict.Advise(settings, on.hz, c.Within)
	}
	var proved verification
	if c.Verify {
		if proved, err = c.verify(ctx, on, system, settings, rows); err != nil {
			return err
		}
		// The guest knows its HZ best: an image without a configuration does not say it.
		on.hz = cmp.Or(proved.kernel.HZ, on.hz)
		said.Rows = predict.Predict(settings, on.hz)
		said.Checks, said.Clock, said.Family, said.Kernel = proved.checks, proved.clock, proved.family, proved.kernel
	}
	if err := c.print(said, on, system, proved); err != nil {
		return err
	}
	return proved.verdict()
}

// predictEnv tells the copy of the program in its own namespaces what was read outside.
const predictEnv = "HALFOPEN_PREDICT"

// systemSettings are the running system's.
func systemSettings() (s predict.Settings, err error) {
	if told := os.Getenv(predictEnv); sandbox.Inside() && told != "" {
		return s, json.Unmarshal([]byte(told), &s)
	}
	s.Keepalive = true
	s.Timeouts, err = kernel.ReadTimeouts()
	return s, err
}

// settings are a system's, with the flags in their place.
func (c *predictCommand) settings(s predict.Settings) (predict.Settings, error) {
	s.Keepalive, s.RTT = !c.NoKeepalive, c.RTT
	if c.Keepalive != "" {
		if c.NoKeepalive {
			return s, errors.New("--keepalive and --no-keepalive contradict each other: give one")
		}
		if err := readKeepalive(c.Keepalive, &s); err != nil {
			return s, err
		}
	}
	replace(&s.Retries2, c.Retries2)
	replace(&s.UserTimeout, c.UserTimeout)
	replace(&s.RTOMin, c.RTOMin)
	replace(&s.RTOMax, c.RTOMax)
	replace(&s.SynRetries, c.SynRetries)
	replace(&s.SynLinear, c.SynLinearTimeouts)
	replace(&s.OrphanRetries, c.OrphanRetries)
	replace(&s.EarlyRetrans, c.EarlyRetrans)
	if c.FinTimeout != nil {
		s.FinTimeout = time.Duration(*c.FinTimeout) * time.Second
	}
	return s, s.Check()
}

func replace[T any](value, with *T) {
	if with != nil {
		*value = *with
	}
}

// readKeepalive reads 600/30/5.
func readKeepalive(text string, s *predict.Settings) error {
	parts := strings.Split(text, "/")
	var numbers [3]int
	for i, part := range parts {
		number, err := strconv.Atoi(part)
		if err != nil || len(parts) != len(numbers) {
			return fmt.Errorf("--keepalive is IDLE/INTERVAL/COUNT in whole seconds, like 600/30/5, not %q", text)
		}
		numbers[i] = number
	}
	s.KeepaliveTime, s.KeepaliveInterval = time.Duration(numbers[0])*time.Second, time.Duration(numbers[1])*time.Second
	s.KeepaliveProbes = numbers[2]
	return nil
}

// print writes the report, as JSON or as text.
func (c *predictCommand) print(said predict.Report, on target, system predict.Settings, proved verification) error {
	if c.JSON {
		encoded, err := json.MarshalIndent(said, "", "  ")
		if err != nil {
			return err
		}
		fmt.Println(string(encoded))
		return nil
	}
	fmt.Printf("Linux %s (HZ %d)\n%s\n\n", said.Kernel.Release, on.hz, said.Settings.Describe(on.hz))
	fmt.Print(predict.Table(said.Settings, said.Rows, said.Checks))
	if said.Checks != nil {
		fmt.Print("\n" + predict.Reasons(said.Checks) + proved.summary() + "\n")
	} else {
		fmt.Print("\nA router that reports the peer unreachable makes EHOSTUNREACH of ETIMEDOUT, at the same time.\n\n" +
			predict.Proofs(said.Rows))
	}
	if said.Advice != nil {
		fmt.Print("\n" + predict.Text(said.Advice, c.Within))
		if together, found := predict.Advised(said.Settings, on.hz, c.Within); found {
			fmt.Printf("\nAll that a kernel can notice, together, with the proof:\n   %s predict %s --verify\n", program(), together.Flags(system))
		}
	}
	return nil
}

// target is the kernel that is predicted.
type target struct {
	name             string // as --kernel has it; of the running kernel its release
	image            bool   // a guest's, not the running one
	release          kernel.Version
	hz               int
	version, machine string
	uname            string // uname -r, where it is known and is not name
}

func (t target) kernel() report.Kernel {
	return report.Kernel{Release: cmp.Or(t.uname, t.name), Version: t.version, Machine: t.machine, HZ: t.hz}
}
