package stage

import (
	"context"
	"errors"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/wire/match"
)

// PinNeighbour keeps another host's MAC in this one's neighbour table for good, as if a router
// stood between them that lives on when the other dies. It is for claims about TCP's own timeouts:
// on one network address resolution fails too, within the time of the kernel's defaults, and puts
// its EHOSTUNREACH in the place of ETIMEDOUT and its silence in the place of the segments.
func (h *Host) PinNeighbour(other *Host) {
	GinkgoHelper()
	mustStage(h.lab.PinNeighbour(other.lab))
}

// RebootListening is Reboot of a host whose service is up before its network is: no segment reaches
// the host before a process listens on the lab's server port. The moment returned is when the
// network is there.
func (h *Host) RebootListening(ctx context.Context) time.Duration {
	GinkgoHelper()
	if h.scene.sabotaged("no-reboot") {
		return mono.Now()
	}
	var paths []*Filter
	for _, other := range h.scene.lab.Hosts() {
		if other != h.lab {
			paths = append(paths, h.scene.filter(h.scene.lab.Blackhole(other, h.lab, lab.All)))
		}
	}
	h.Reboot()
	h.StartProcess().Listen(ctx)
	at := mono.Now()
	for _, path := range paths {
		path.Remove()
	}
	return at
}

// WaitOutKeepalive lets half as much time again go by as keepalive would need to find a dead peer
// by the settings of the end's host, and returns how long that was.
func (e *End) WaitOutKeepalive(ctx context.Context) time.Duration {
	GinkgoHelper()
	silence := e.Keepalive().Detection().Ceiling * 3 / 2
	Elapse(ctx, silence)
	return silence
}

// LastReceived is when the last segment was delivered to the end: where keepalive's idle time
// begins.
func (e *End) LastReceived(ctx context.Context) (at time.Duration) {
	GinkgoHelper()
	for _, segment := range e.Wire(ctx).Segments() {
		if segment.Dst == e.local && segment.Delivered {
			at = segment.DeliveredAt
		}
	}
	return at
}

// ByTimeout describes the n-th retransmission, from 1, of the end's unanswered write that the
// retransmission timer sent: where the model has a tail-loss probe, that is the copy before.
func (e *End) ByTimeout(model timing.Retransmission, n int) match.Predicate {
	if model.TailLossProbe {
		n++
	}
	return match.Retransmission().From(e).Copy(n)
}

// Dialing is a connect(2) that is under way.
type Dialing struct {
	process *Process
	dialing *process.Dialing
	err     error
}

// StartDial begins to connect the process to a listener.
func (p *Process) StartDial(ctx context.Context, listener *Listener, options ...process.Option) *Dialing {
	GinkgoHelper()
	dialing, err := p.startDial(ctx, listener, options...)
	return &Dialing{process: p, dialing: dialing, err: err}
}

// Within waits for what connect(2) returns, for so long at the most; end is nil when it failed.
func (d *Dialing) Within(ctx context.Context, patience time.Duration) (end *End, outcome Outcome) {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var connected *process.Socket
	err := d.err
	if err == nil {
		connected, err = d.dialing.Wait(ctx)
	}
	p := d.process
	var refused *process.Errno
	switch {
	case errors.As(err, &refused):
		outcome = Outcome{Call: "connect(2)", Errno: refused.Errno, At: refused.At}
	case errors.Is(err, context.DeadlineExceeded):
		Fail(fmt.Sprintf("the %s's connect(2) has not returned within %s", p.host, patience))
	default:
		mustStage(err)
		return p.newEnd(connected), Outcome{Call: "connect(2)", At: mono.Now()}
	}
	p.host.scene.noteOutcome(p.host, outcome)
	return nil, outcome
}
