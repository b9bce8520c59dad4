package stage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/socket"
	"github.com/halfopen/halfopen/harness/spec"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/wire"
	"github.com/halfopen/halfopen/harness/wire/match"
)

// Shutdown ends the writing half with shutdown(2): a FIN leaves, reading goes on. It returns the
// moment just before.
func (e *End) Shutdown(ctx context.Context) (at time.Duration) {
	if e.Host.scene.sabotaged("close-instead-of-shutdown") {
		return e.close(ctx)
	}
	return e.shutdown(ctx)
}

// Close closes the descriptor with close(2). It returns the moment just before.
func (e *End) Close(ctx context.Context) (at time.Duration) {
	if e.Host.scene.sabotaged("shutdown-instead-of-close") {
		return e.shutdown(ctx)
	}
	return e.close(ctx)
}

func (e *End) shutdown(ctx context.Context) (at time.Duration) {
	at = mono.Now()
	mustStage(e.socket.Shutdown(ctx, unix.SHUT_WR))
	e.closed(at, "shutdown(2) of the writing half")
	return at
}

func (e *End) close(ctx context.Context) (at time.Duration) {
	at = mono.Now()
	mustStage(e.socket.Close(ctx))
	e.closed(at, "close(2)")
	return at
}

// closed notes what an end has done, which is the fault where the spec has set none before.
func (e *End) closed(at time.Duration, how string) {
	e.Host.scene.lab.Wire().Note(at, fmt.Sprintf("%s: %s", e, how))
	e.Host.scene.look()
	e.Host.scene.sabotageFault(func(other *End) bool { return other == e })
}

// Closing is a close(2) in which the process is blocked, as SO_LINGER can make it.
type Closing struct {
	end     *End
	pending *process.Pending
	At      time.Duration // just before the call
}

// StartClose begins a close(2).
func (e *End) StartClose() *Closing {
	closing := &Closing{end: e, At: mono.Now(), pending: e.socket.StartClose()}
	e.Host.scene.lab.Wire().Note(closing.At, e.String()+": close(2) begins")
	return closing
}

// Within waits for close(2) to return, for so long at the most.
func (c *Closing) Within(ctx context.Context, patience time.Duration) Outcome {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	result, err := c.pending.Wait(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		spec.Fail(fmt.Sprintf("the %s's close(2) has not returned within %s; its socket is %s", c.end, patience.Round(time.Millisecond), c.end.State()))
	}
	mustStage(err)
	return c.end.outcome("close(2)", result)
}

// Blocked tells whether close(2) still has not returned.
func (c *Closing) Blocked() bool {
	select {
	case <-c.pending.Done():
		return false
	default:
		return true
	}
}

// SetLinger2 sets TCP_LINGER2 in whole seconds; negative: the end keeps no orphan in FIN_WAIT2.
func (e *End) SetLinger2(ctx context.Context, seconds int) {
	e.Set(ctx, unix.IPPROTO_TCP, unix.TCP_LINGER2, seconds)
}

// SeesFinAcknowledged returns when the end's FIN, which has been sent, is acknowledged at the end:
// it has entered FIN_WAIT2 then.
func (e *End) SeesFinAcknowledged(ctx context.Context) (at time.Duration) {
	fin := e.Sees(ctx, match.FIN().From(e).Delivered())
	return e.Sees(ctx, match.AnySegment().From(e.peer()).WithAck(fin.RelSeq+uint32(fin.Len)+1).Delivered()).DeliveredAt
}

// peer is the end at the other side of the connection.
func (e *End) peer() *End {
	for _, other := range e.Host.scene.ends {
		if other.local == e.remote && other.remote == e.local {
			return other
		}
	}
	broken(fmt.Errorf("the %s's connection has no other end in this spec", e))
	return nil
}

// Hears lets a segment reach the end that was captured before: one that was swallowed, as if the path
// had been slow, or one that had reached it, as a duplicate. It returns the moment just before.
func (e *End) Hears(ctx context.Context, segment wire.Segment) (at time.Duration) {
	e.Host.scene.settle(ctx)
	at = mono.Now()
	mustStage(e.Host.scene.lab.DeliverLate(e.Host.lab, segment))
	return at
}

// CloseAtOnce lets both processes close before the FIN of either has reached the other: both FINs
// are on their way at the same time, as on a long path. Nothing else gets through until the path is
// mended with the function returned, so that both ends stay in the state into which the other's FIN
// has put them.
func (c *Connection) CloseAtOnce(ctx context.Context) (mend func()) {
	ends := []*End{c.Client, c.Server}
	scene := c.Client.Host.scene
	if scene.sabotaged("close-in-turn") {
		for _, end := range ends {
			end.Close(ctx)
			end.Sees(ctx, match.FIN().From(end).Delivered())
		}
		return func() {}
	}
	holes := []*Filter{
		c.Client.Host.Blackhole(c.Server.Host, lab.All),
		c.Server.Host.Blackhole(c.Client.Host, lab.All),
	}
	for _, end := range ends {
		end.Close(ctx)
	}
	for _, end := range ends {
		fin := end.Sees(ctx, match.FIN().From(end))
		if !scene.sabotaged("drop-fin") {
			end.peer().Hears(ctx, fin)
		}
	}
	return func() {
		for _, hole := range holes {
			hole.Remove()
		}
	}
}

// GoneIn waits until the end's socket is gone, which must happen in a window counted from a moment,
// and returns when, from that moment, it was first found gone. The kernel tells nobody of it, so the
// socket is looked at: at ever shorter intervals before the window, so that a few looks bring the last
// of them close to it however long the wait is, and seldom within it.
func (e *End) GoneIn(ctx context.Context, since time.Duration, window timing.Window) (after time.Duration) {
	return goneIn(ctx, since, window, fmt.Sprintf("the %s's socket", e), e.Snapshot)
}

// lookBefore is how near the window the last look before it is. A wait is up to a thousandth late, by the
// slack that epoll_wait(2) allows itself (select_estimate_accuracy), so the last one must be short.
const lookBefore = 10 * time.Millisecond

// goneIn judges by both looks between which the socket went. It was early if it was gone before the
// window, late if it was still there after it. Where a machine is too slow to look close before the
// window, the timer counts that was armed at the last look: nothing else ends the socket.
func goneIn(ctx context.Context, since time.Duration, window timing.Window, what string, snapshot func() socket.Snapshot) (after time.Duration) {
	var lasts time.Duration // at least until then, by the last look
	pause := max((window.Ceiling-window.Floor+RealClockSlack)/32, time.Millisecond)
	for {
		now := snapshot()
		after = now.At - since
		switch {
		case now.State == socket.Gone && after < window.Floor:
			spec.Fail(fmt.Sprintf("%s was gone after %s, before the window %s", what, after, window))
		case now.State == socket.Gone && lasts < window.Floor-2*lookBefore-RealClockSlack:
			spec.Fail(fmt.Sprintf("%s was gone after %s, but was to last, when last seen, until %s, long before the window %s", what, after, lasts, window))
		case now.State == socket.Gone:
			return after
		case after > window.Ceiling+RealClockSlack:
			spec.Fail(fmt.Sprintf("%s is still %s after %s, later than the window %s", what, now.State, after, window))
		}
		lasts = after + now.Timer.Expires
		if left := window.Floor - after; left > lookBefore {
			Elapse(ctx, max(left*3/4, lookBefore/2))
		} else {
			Elapse(ctx, pause)
		}
	}
}
