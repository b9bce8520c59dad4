// Package suites links every story's specs into a program.
package suites

import (
	_ "github.com/halfopen/halfopen/suites/address"
	_ "github.com/halfopen/halfopen/suites/application"
	_ "github.com/halfopen/halfopen/suites/cable"
	_ "github.com/halfopen/halfopen/suites/close"
	_ "github.com/halfopen/halfopen/suites/hostcrash"
	_ "github.com/halfopen/halfopen/suites/icmp"
	_ "github.com/halfopen/halfopen/suites/keepalive"
	_ "github.com/halfopen/halfopen/suites/middlebox"
	_ "github.com/halfopen/halfopen/suites/open"
	_ "github.com/halfopen/halfopen/suites/processcrash"
	_ "github.com/halfopen/halfopen/suites/reset"
	_ "github.com/halfopen/halfopen/suites/retransmission"
	_ "github.com/halfopen/halfopen/suites/window"
)
