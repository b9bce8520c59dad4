package stage

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/socket"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/wire"
	"github.com/halfopen/halfopen/harness/wire/match"
)

// Copies are the segments with data that the end has sent since a moment: what was written then,
// and every copy of it, the tail-loss probe's included.
func (e *End) Copies(ctx context.Context, since time.Duration) []wire.Segment {
	GinkgoHelper()
	var copies []wire.Segment
	sent := match.Either(match.Data(), match.Retransmission()).From(e)
	for _, segment := range e.Wire(ctx).Since(since).Segments() {
		if sent.Matches(segment) {
			copies = append(copies, segment)
		}
	}
	return copies
}

// SeesCopies waits until what the end wrote at a moment has been sent again as often as there are
// intervals, which say how long that may take, and returns the original and those copies.
func (e *End) SeesCopies(ctx context.Context, written time.Duration, intervals []timing.Window) []wire.Segment {
	GinkgoHelper()
	patience := Soon
	for _, interval := range intervals {
		patience += interval.Ceiling
	}
	n := len(intervals)
	e.SeesWithin(ctx, patience, match.Retransmission().From(e).After(written).
		That(fmt.Sprintf("copy %d of its bytes", n), func(s wire.Segment) bool { return s.Copy == n }))
	return e.Copies(ctx, written)[:n+1]
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

// Acknowledged waits until all that the end has written is acknowledged, which must be soon, and
// returns what its kernel thinks of the connection then. The kernel tells nobody, so it is asked
// again, as in ReachesBy.
func (e *End) Acknowledged(ctx context.Context) socket.Snapshot {
	GinkgoHelper()
	deadline, period := mono.Now()+Soon, time.Millisecond
	for {
		snapshot := e.Snapshot()
		switch {
		case snapshot.Info == nil:
			Fail(fmt.Sprintf("the %s's socket is %s", e, snapshot.State))
		case snapshot.SendQueue == 0:
			return snapshot
		case mono.Now() > deadline:
			Fail(fmt.Sprintf("%d bytes that the %s wrote are still not acknowledged", snapshot.SendQueue, e))
		}
		Elapse(ctx, period)
		period = min(2*period, 20*time.Millisecond)
	}
}

// MaximumRTO sets TCP_RTO_MAX_MS, the ceiling of the end's retransmission timeout.
func (e *End) MaximumRTO(ctx context.Context, maximum time.Duration) {
	GinkgoHelper()
	e.Set(ctx, unix.IPPROTO_TCP, unix.TCP_RTO_MAX_MS, int(maximum.Milliseconds()))
}

// Has tells whether the host's kernel has a feature (kernel.Features), where a claim holds without
// it and there is more to show with it.
func (h *Host) Has(feature string) bool {
	GinkgoHelper()
	wanted, err := kernel.FeatureNamed(feature)
	mustStage(err)
	err = h.lab.Do(wanted.Probe)
	if errors.Is(err, kernel.ErrNotSupported) {
		return false
	}
	mustStage(err)
	return true
}

// Handshake is the model of how a connect(2) on this host ends that nobody answers.
func (h *Host) Handshake() timing.SYN {
	GinkgoHelper()
	timeouts := h.Timeouts()
	return timing.SYN{
		Retries: timeouts.SynRetries,
		Linear:  timeouts.SynLinear,
		RTOMax:  timeouts.RTOMax,
		Wheel:   h.scene.wheel(),
	}
}

// WireTo is every segment that crossed a cable so far between the process's host and a listener,
// where there is no connection whose Wire that would be.
func (p *Process) WireTo(ctx context.Context, listener *Listener) *wire.Conversation {
	GinkgoHelper()
	p.host.scene.settle(ctx)
	return p.host.scene.lab.Wire().Conversation(netip.AddrPortFrom(p.host.Address(), clientPort), listener.socket.Local())
}
