package stage

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	gomega "github.com/onsi/gomega/types"

	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/wire"
	"github.com/halfopen/halfopen/harness/wire/match"
)

// Sees returns the first segment of the end's connection that the predicate describes: one that
// has crossed already or comes soon.
func (e *End) Sees(ctx context.Context, predicate match.Predicate) wire.Segment {
	GinkgoHelper()
	return e.SeesWithin(ctx, Soon, predicate)
}

// SeesWithin is Sees for a segment that takes its time, for so long at the most.
func (e *End) SeesWithin(ctx context.Context, patience time.Duration, predicate match.Predicate) wire.Segment {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	segment, err := e.Host.scene.lab.Wire().Await(ctx, func(s wire.Segment) bool {
		return (s.Src == e.local && s.Dst == e.remote || s.Src == e.remote && s.Dst == e.local) && predicate.Matches(s)
	})
	if errors.Is(err, context.DeadlineExceeded) {
		Fail(fmt.Sprintf("no such segment has crossed within %s: %s", patience, predicate))
	}
	mustStage(err)
	return segment
}

// FinWait2 is the model of how long this end stays in FIN_WAIT2 once its process is gone: its host's
// settings, and its RTO as measured so far, so ask before the death.
func (e *End) FinWait2() timing.FinWait2 {
	GinkgoHelper()
	return timing.FinWait2{Timeout: e.timeouts.FinTimeout, RTO: e.Snapshot().Info.RTO, Wheel: e.Host.scene.wheel()}
}

// TimeWait is the model of how long this end stays in TIME_WAIT.
func (e *End) TimeWait() timing.TimeWait { return timing.TimeWait{Wheel: e.Host.scene.wheel()} }

// DialUnaccepted connects the process to a listener that does not accept: the connection waits in
// the listener's queue.
func (p *Process) DialUnaccepted(ctx context.Context, listener *Listener, options ...process.Option) *End {
	GinkgoHelper()
	end := p.Dial(ctx, listener, options...)
	// The handshake's last segment has reached the listener before anything is broken.
	end.Sees(ctx, match.HandshakeACK().From(end).Delivered())
	p.host.scene.sabotagePath(p.host, listener.process.host)
	return end
}

// Unaccepted is how many established connections wait for the listener to accept them.
func (l *Listener) Unaccepted() int {
	GinkgoHelper()
	snapshot, err := l.process.host.lab.Socket(l.socket.Local(), netip.AddrPort{})
	mustStage(err)
	return int(snapshot.ReceiveQueue)
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
