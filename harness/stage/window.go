package stage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/socket"
	"github.com/halfopen/halfopen/harness/spec"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/wire"
	"github.com/halfopen/halfopen/harness/wire/match"
)

// SmallWindow gives a socket a receive buffer that a peer's kernel fills with a part of what it takes
// from its application in advance.
func SmallWindow() process.Option { return process.SockOpt(unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<10) }

// ClosedWindow is how an end filled its peer's receive buffer, until no more could be sent.
type ClosedWindow struct {
	Written int          // bytes that write(2) took; what the window did not let through waits
	ACK     wire.Segment // the first acknowledgement that said that the window is closed
	Model   timing.Persist
}

// FillWindow writes to a peer that does not read, until the peer's window is closed and the end waits
// to probe it. The peer should have a SmallWindow.
func (e *End) FillWindow(ctx context.Context) ClosedWindow {
	written := e.Fill(ctx)
	// The last bytes of a window that holds less than a segment leave with a first, early probe.
	closed := e.Sees(ctx, match.ACK().To(e).Closed())
	closing := ClosedWindow{Written: written, ACK: closed, Model: e.probing(ctx)}
	e.Host.scene.sabotageFault(func(*End) bool { return false })
	return closing
}

// probing waits until the end has its timer for probes armed, and is the model of what follows.
func (e *End) probing(ctx context.Context) timing.Persist {
	snapshot := e.arms(ctx, socket.Persist)
	return timing.Persist{
		RTO:      snapshot.Info.RTO,
		RTOMax:   e.timeouts().RTOMax,
		Retries2: e.timeouts().Retries2,
		Wheel:    e.Host.wheel(),
	}
}

// arms waits until the end's timer is of a kind, which must be soon.
func (e *End) arms(ctx context.Context, kind socket.TimerKind) socket.Snapshot {
	deadline, period := mono.Now()+Soon, time.Millisecond
	for {
		snapshot := e.Snapshot()
		switch {
		case snapshot.Timer.Kind == kind && snapshot.Info != nil:
			return snapshot
		case mono.Now() > deadline:
			spec.Fail(fmt.Sprintf("the %s's timer is %s, and has not become %s", e, snapshot.Timer.Kind, kind))
		}
		Elapse(ctx, period)
		period = min(2*period, 20*time.Millisecond)
	}
}

// Probes are the window probes that the end has sent since its peer's window closed.
func (e *End) Probes(ctx context.Context, closing ClosedWindow) []wire.Segment {
	return match.WindowProbe().From(e).In(e.Wire(ctx).Since(closing.ACK.At))
}

// SeesProbes waits for the first n window probes since the peer's window closed, for as long as the
// model says, and returns them.
func (e *End) SeesProbes(ctx context.Context, closing ClosedWindow, n int) []wire.Segment {
	patience := Soon
	for _, interval := range closing.Model.Intervals(n) {
		patience += interval.Ceiling
	}
	var numbers []int
	e.SeesWithin(ctx, patience, match.WindowProbe().From(e).After(closing.ACK.At).That(fmt.Sprintf("%d of them", n), func(s wire.Segment) bool {
		if !slices.Contains(numbers, s.Number) { // asked again when it has been delivered
			numbers = append(numbers, s.Number)
		}
		return len(numbers) == n
	}))
	return e.Probes(ctx, closing)[:n]
}

// SinceLastAnswer is a ClosedWindow as it stands since the last acknowledgement that has reached the end,
// for a peer that has fallen silent: what its answers have done to the count is undone, and what the
// probes have done to the interval is not.
func (e *End) SinceLastAnswer(ctx context.Context, closing ClosedWindow) ClosedWindow {
	answers := match.ACK().To(e).Closed().In(e.Wire(ctx))
	last := answers[len(answers)-1] // the first of them is closing.ACK
	probes := match.WindowProbe().From(e).After(closing.ACK.At).Before(last.At).In(e.Wire(ctx))
	closing.ACK, closing.Model.Backoff = last, min(len(probes), closing.Model.Retries2)
	return closing
}

// Orphaned is the ClosedWindow's model once the end's process is gone.
func (e *End) Orphaned(closing ClosedWindow) timing.Orphaned {
	return timing.Orphaned{Persist: closing.Model, Retries: e.timeouts().OrphanRetries}
}

// ShrunkWindow is the model of what the end does with data in flight when its peer takes its window
// back down to zero, by the timeout as measured so far.
func (e *End) ShrunkWindow() timing.Shrunk {
	return timing.Shrunk{RTO: e.Snapshot().Info.RTO, RTOMax: e.timeouts().RTOMax, Wheel: e.Host.wheel()}
}
