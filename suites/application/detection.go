package application

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
)

// The specs of this and the next two files are the table of detection: a mechanism each, and a case for
// each fault. `halfopen detection` prints it from what they observe.

// itMeets is a spec for each fault that a mechanism meets.
func itMeets(text, mechanism string, body func(ctx SpecContext, fault Fault, client, server *Host), decorators ...any) {
	for _, fault := range Faults() {
		It(text+": "+string(fault), Claim("application/detection-"+mechanism), Case("%s", fault), decorators, func(ctx SpecContext) {
			client, server := Pair(ctx)
			// A router stands between them, so that what is measured is no failure of address resolution.
			client.PinNeighbour(server)
			server.PinNeighbour(client)
			body(ctx, fault, client, server)
		})
	}
}

// endOfFile and late are what tells an application of a fault where no errno does.
const (
	endOfFile = "end of file"
	late      = "no answer"
)

// word is what an application was told.
func word(outcome Outcome) string {
	switch {
	case outcome.Errno != 0:
		return process.Name(outcome.Errno)
	case outcome.EOF:
		return endOfFile
	case outcome.Late:
		return late
	}
	return outcome.String()
}

// notice is what must tell the survivor, and when, from a moment that the model counts from.
type notice struct {
	told   string
	from   time.Duration
	window timing.Window
}

// errnoAt is notice of an errno.
func errnoAt(errno unix.Errno, from time.Duration, window timing.Window) notice {
	return notice{unix.ErrnoName(errno), from, window}
}

// atOnce is the notice of a death by the FIN that the dead process's kernel sends.
func atOnce(struck time.Duration) notice { return notice{endOfFile, struck, timing.Death()} }

// expectNoticed waits for what the application is told of a fault, which struck at a moment.
func expectNoticed(ctx context.Context, mechanism string, struck time.Duration, waiting *Reading, expected notice) {
	GinkgoHelper()
	patience := expected.from - struck + expected.window.Ceiling + Soon
	outcome := waiting.Within(ctx, patience)
	Expect(word(outcome)).To(Equal(expected.told), "what told the survivor")
	Expect(outcome.At - expected.from).To(FallIn(expected.window))
	Observe("mechanism", mechanism)
	Observe("detected_after", outcome.At-struck)
	Observe("told", expected.told)
	Observe("window_floor", expected.window.Floor)
	Observe("window_ceiling", expected.window.Ceiling)
}

// expectUnnoticed lets half as much time again go by as would have been enough.
func expectUnnoticed(ctx context.Context, mechanism string, waiting *Reading, survivor *End, enough time.Duration) {
	GinkgoHelper()
	silence := enough * 3 / 2
	Elapse(ctx, silence)
	Expect(waiting.Blocked(ctx)).To(BeTrue(), "the application still waits")
	Expect(survivor.State()).To(Equal(socket.Established))
	Observe("mechanism", mechanism)
	Observe("undetected_for", silence)
	Observe("state", survivor.State())
}

// inSeconds writes a setting as the table has it: "7200 s", "1.5 s".
func inSeconds(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }
