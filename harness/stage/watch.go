package stage

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/socket"
	"github.com/halfopen/halfopen/harness/spec"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/wire"
	"github.com/halfopen/halfopen/harness/wire/match"
)

// Wire is every segment of the connection that crossed a cable so far.
func (c *Connection) Wire(ctx context.Context) *wire.Conversation {
	return c.Client.Wire(ctx)
}

// Wire is every segment of the end's connection that crossed a cable so far.
func (e *End) Wire(ctx context.Context) *wire.Conversation {
	e.Host.scene.settle(ctx)
	if e.Host.Name() == "client" {
		return e.Host.scene.lab.Wire().Conversation(e.local, e.remote)
	}
	return e.Host.scene.lab.Wire().Conversation(e.remote, e.local)
}

// WireTo is every segment that crossed a cable so far between the process's host and a listener,
// where there is no connection whose Wire that would be.
func (p *Process) WireTo(ctx context.Context, listener *Listener) *wire.Conversation {
	p.host.scene.settle(ctx)
	return p.host.scene.lab.Wire().Conversation(netip.AddrPortFrom(p.host.Address(), clientPort), listener.socket.Local())
}

// settle waits until everything that crossed the wire so far is in the record.
func (s *scene) settle(ctx context.Context) {
	mustStage(s.lab.Wire().Sync(ctx))
}

// Sees returns the first segment of the end's connection that the predicate describes: one that
// has crossed already or comes soon.
func (e *End) Sees(ctx context.Context, predicate match.Predicate) wire.Segment {
	return e.SeesWithin(ctx, Soon, predicate)
}

// SeesWithin is Sees for a segment that takes its time, for so long at the most.
func (e *End) SeesWithin(ctx context.Context, patience time.Duration, predicate match.Predicate) wire.Segment {
	return e.Host.scene.sees(ctx, patience, between(e.local, e.remote, predicate), predicate)
}

// between is the predicate for segments from one address to another, either way.
func between(a, b netip.AddrPort, predicate match.Predicate) func(wire.Segment) bool {
	return func(s wire.Segment) bool {
		return s.Crosses(a, b) && predicate.Matches(s)
	}
}

// sees returns the first segment for which the function holds: one that has crossed already or
// comes in time.
func (s *scene) sees(ctx context.Context, patience time.Duration, matches func(wire.Segment) bool, what any) wire.Segment {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	segment, err := s.lab.Wire().Await(ctx, matches)
	if errors.Is(err, context.DeadlineExceeded) {
		spec.Fail(fmt.Sprintf("no such segment has crossed within %s: %v", patience, what))
	}
	mustStage(err)
	return segment
}

// SeesNext is SeesWithin for a segment that has not crossed yet.
func (e *End) SeesNext(ctx context.Context, patience time.Duration, predicate match.Predicate) wire.Segment {
	return e.SeesWithin(ctx, patience+Soon, predicate.After(mono.Now()))
}

// UntilNextCopy is how long the next copy of what was written may take, if there is one to come: as long
// again as it has been tried, as the intervals double.
func UntilNextCopy(written time.Duration) time.Duration { return mono.Now() - written + Soon }

// SeesByTimeout returns the n-th retransmission, from 1, of the end's unanswered write that the
// retransmission timer sent, and waits for it as long as the model says that it takes.
func (e *End) SeesByTimeout(ctx context.Context, model timing.Retransmission, n int) wire.Segment {
	patience := Soon
	for _, interval := range model.Intervals()[:n+1] {
		patience += interval.Ceiling
	}
	return e.SeesWithin(ctx, patience, e.ByTimeout(model, n))
}

// Copies are the segments with data that the end has sent since a moment: what was written then,
// and every copy of it, the tail-loss probe's included.
func (e *End) Copies(ctx context.Context, since time.Duration) []wire.Segment {
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
	patience := Soon
	for _, interval := range intervals {
		patience += interval.Ceiling
	}
	n := len(intervals)
	e.SeesWithin(ctx, patience, match.Retransmission().From(e).After(written).Copy(n))
	return e.Copies(ctx, written)[:n+1]
}

// LastReceived is when the last segment was delivered to the end: where keepalive's idle time
// begins.
func (e *End) LastReceived(ctx context.Context) (at time.Duration) {
	for _, segment := range e.Wire(ctx).Segments() {
		if segment.Reached() == e.local && segment.Delivered {
			at = segment.DeliveredAt
		}
	}
	return at
}

// Acknowledged waits until all that the end has written is acknowledged, which must be soon, and
// returns what its kernel thinks of the connection then. The kernel tells nobody, so it is asked
// again, as in ReachesBy.
func (e *End) Acknowledged(ctx context.Context) socket.Snapshot {
	deadline, period := mono.Now()+Soon, time.Millisecond
	for {
		snapshot := e.Snapshot()
		switch {
		case snapshot.Info == nil:
			spec.Fail(fmt.Sprintf("the %s's socket is %s", e, snapshot.State))
		case snapshot.SendQueue == 0:
			return snapshot
		case mono.Now() > deadline:
			spec.Fail(fmt.Sprintf("%d bytes that the %s wrote are still not acknowledged", snapshot.SendQueue, e))
		}
		Elapse(ctx, period)
		period = min(2*period, 20*time.Millisecond)
	}
}
