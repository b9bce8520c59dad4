// Package suites links every story's specs into a program.
package suites

import (
	_ "github.com/halfopen/halfopen/suites/cable"
	_ "github.com/halfopen/halfopen/suites/hostcrash"
	_ "github.com/halfopen/halfopen/suites/icmp"
	_ "github.com/halfopen/halfopen/suites/keepalive"
	_ "github.com/halfopen/halfopen/suites/processcrash"
	_ "github.com/halfopen/halfopen/suites/retransmission"
)
