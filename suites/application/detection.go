package application

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// What itMeets writes, here and in the other files, is the table of detection: a mechanism each, and a case
// for each fault. `halfopen detection` prints it from what these specs observe.

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

// timedOut is the notice of a timeout of the kernel's.
func timedOut(from time.Duration, window timing.Window) notice {
	return notice{unix.ErrnoName(unix.ETIMEDOUT), from, window}
}

// drawnReset is the notice of the RST that a rebooted host answers with: it follows the first segment of the
// survivor's that reaches the host once it is back, which must be of the kind that the mechanism sends.
func drawnReset(ctx context.Context, survivor *End, struck time.Duration, kind Predicate) notice {
	since := survivor.Wire(ctx).Since(struck)
	reached := AnySegment().From(survivor).Delivered().In(since)
	Expect(reached).NotTo(BeEmpty(), "segments that have reached the host")
	_, back := survivor.Rebooted()
	drawing := reached[len(reached)-1]
	for _, early := range reached[:len(reached)-1] {
		Expect(early.At).To(BeNumerically("<", back), "the first segment that reaches the host once it is back ends the connection")
	}
	Expect(since).To(ShowInOrder(kind.Delivered(), RST().Delivered()))
	return notice{unix.ErrnoName(unix.ECONNRESET), drawing.DeliveredAt, timing.Application(0, "the RST that a segment draws")}
}

// observeReturn records how long after the rebooted host's return the survivor was told.
func observeReturn(survivor *End, told time.Duration) {
	began, _ := survivor.Rebooted()
	Observe("detected_after_return", told-began)
}

// atOnce is the notice of a death by the FIN that the dead process's kernel sends.
func atOnce(struck time.Duration) notice { return notice{endOfFile, struck, timing.Death()} }

// expectNoticed waits for what the application is told of a fault, which struck at a moment.
func expectNoticed(ctx context.Context, mechanism string, struck time.Duration, waiting *Reading, expected notice) {
	outcome := waiting.Within(ctx, expected.from-struck+expected.window.Ceiling+Soon)
	judge(mechanism, struck, word(outcome), outcome.At, expected)
}

// judge holds what the application was told, and when, against what it must have been.
func judge(mechanism string, struck time.Duration, told string, at time.Duration, expected notice) {
	Expect(told).To(Equal(expected.told), "what told the survivor")
	Expect(at - expected.from).To(FallIn(expected.window))
	Observe("mechanism", mechanism)
	Observe("detected_after", at-struck)
	Observe("noticed_after", at-expected.from)
	Observe("told", told)
}

// first is the first segment of an end's connection that the predicate describes, last the last; there must be one.
func first(ctx context.Context, end *End, described Predicate) wire.Segment {
	found := described.In(end.Wire(ctx))
	Expect(found).NotTo(BeEmpty(), described.String())
	return found[0]
}

func last(ctx context.Context, end *End, described Predicate) wire.Segment {
	found := described.In(end.Wire(ctx))
	Expect(found).NotTo(BeEmpty(), described.String())
	return found[len(found)-1]
}

// expectUnnoticed lets a quarter more time go by than would have been enough.
func expectUnnoticed(ctx context.Context, mechanism string, waiting *Reading, survivor *End, enough time.Duration) {
	silence := enough * 5 / 4
	Elapse(ctx, silence)
	Expect(waiting.Blocked(ctx)).To(BeTrue(), "the application still waits")
	Expect(survivor.State()).To(Equal(socket.Established))
	Observe("mechanism", mechanism)
	Observe("undetected_for", silence)
	Observe("state", survivor.State())
}

// inSeconds writes a setting as the table has it: "7200 s", "1.5 s".
func inSeconds(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }
