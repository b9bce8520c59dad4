package stage

import (
	"fmt"
	"os"
	"time"

	"github.com/onsi/gomega/format"
	"github.com/onsi/gomega/gcustom"
	gomega "github.com/onsi/gomega/types"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/socket"
	"github.com/halfopen/halfopen/harness/timing"
)

// RealClockSlack is what a time may exceed its window by on the wall clock of a loaded machine:
// the run queue a process waits in before it sees an event, which no model of TCP knows. The
// floor has none. With 60 ms no spec of four runs failed, two processors being shared by 64 specs
// and three busy loops. On the virtual clock of a guest it is none: nothing is measured there but
// the guest's own instructions.
var RealClockSlack = slackOn(os.Getenv(ClockEnv))

func slackOn(clock string) time.Duration {
	if clock == virtualClock {
		return 0
	}
	return 150 * time.Millisecond
}

// FailWith matches an Outcome that is this errno.
func FailWith(errno unix.Errno) gomega.GomegaMatcher {
	return matcher("fail with "+unix.ErrnoName(errno), func(o Outcome) bool { return o.Errno == errno })
}

// ReachEOF matches a read(2) that returned 0, the end of file.
func ReachEOF() gomega.GomegaMatcher {
	return matcher("reach the end of file", func(o Outcome) bool { return o.EOF })
}

// Deliver matches a read(2) that returned this text.
func Deliver(text string) gomega.GomegaMatcher {
	return matcher(fmt.Sprintf("deliver %q", text), func(o Outcome) bool { return o.Errno == 0 && o.Data == text })
}

// GoThrough matches a call that did what it was asked to.
func GoThrough() gomega.GomegaMatcher {
	return matcher("go through", func(o Outcome) bool { return o.Errno == 0 && !o.EOF })
}

// FallIn matches a time that lies inside a window of the model.
func FallIn(window timing.Window) gomega.GomegaMatcher {
	return matcher("fall in the window "+window.String(), func(d time.Duration) bool {
		return window.Plus(RealClockSlack).Contains(d)
	})
}

// A failure says "CLOSE-WAIT" where Gomega would say "<socket.State>: 8".
var _ = format.RegisterCustomFormatter(func(value any) (string, bool) {
	switch v := value.(type) {
	case socket.State:
		return v.String(), true
	case socket.TimerKind:
		return v.String(), true
	case unix.Errno:
		return process.Name(v), true
	}
	return "", false
})

func matcher[T any](what string, matches func(T) bool) gomega.GomegaMatcher {
	return gcustom.MakeMatcher(func(actual T) (bool, error) { return matches(actual), nil }).
		WithTemplate("Expected\n  {{.Actual}}\n{{.To}} {{.Data}}", what)
}

// DeliverFill matches the reads that together returned the n bytes that Fill wrote, each in its
// place.
func DeliverFill(n int) gomega.GomegaMatcher {
	return matcher(fmt.Sprintf("deliver the %d bytes that were written, in order", n), func(o Outcome) bool {
		if o.Errno != 0 || o.N != n {
			return false
		}
		for i := range o.Data {
			if o.Data[i] != byte(i) { // Fill writes 0 to 255 over and over
				return false
			}
		}
		return true
	})
}

// OnRealClock are the windows with the slack that FallIn allows too: a machine may be slow to run a
// timer that has expired.
func OnRealClock(windows []timing.Window) []timing.Window {
	var slack []timing.Window
	for _, window := range windows {
		slack = append(slack, window.Plus(RealClockSlack))
	}
	return slack
}
