package stage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/spec"
)

// Soon is how long an event that follows at once may take before its absence is a failure. It is
// patience on a loaded machine and proves nothing; what a claim says of time is a timing.Window.
const Soon = 5 * time.Second

// Outcome is what a call gave the application.
type Outcome struct {
	Call  string // "read(2)", "write(2)", "connect(2)", "the heartbeat"
	Data  string // what read(2) returned
	N     int    // bytes read or written
	EOF   bool   // read(2) returned 0
	Late  bool   // a heartbeat had no answer in time
	Errno unix.Errno
	At    time.Duration // right after the call returned
	Give  time.Duration // how wrong At may be, either way: 0 unless the call was made on a machine with its own clock

	Queued process.Queued // what connect(2) left in the socket's error queue, with IP_RECVERR
}

func (o Outcome) String() string {
	switch {
	case o.Errno != 0:
		return fmt.Sprintf("%s failed with %s (%v)", o.Call, unix.ErrnoName(o.Errno), o.Errno)
	case o.Late:
		return o.Call + " had no answer in time"
	case o.EOF:
		return o.Call + " returned 0, end of file"
	case o.Call == "read(2)" && o.N <= 64:
		return fmt.Sprintf("read(2) returned %q", o.Data)
	}
	return fmt.Sprintf("%s returned %d", o.Call, o.N)
}

func (s *scene) noteOutcome(host *Host, outcome Outcome) {
	s.lab.Wire().Note(outcome.At, fmt.Sprintf("%s: %s", host, outcome))
	s.look()
}

// Write writes and expects write(2) to take every byte. It returns the moment just before.
func (e *End) Write(ctx context.Context, text string) (at time.Duration) {
	at = mono.Now()
	if e.Host.scene.sabotaged("no-write") {
		return at
	}
	if outcome := e.TryWrite(ctx, text); outcome.N != len(text) {
		spec.Fail(fmt.Sprintf("the %s's %s instead of %d", e, outcome, len(text)))
	}
	return at
}

// TryWrite writes and returns what write(2) said.
func (e *End) TryWrite(ctx context.Context, text string) Outcome {
	ctx, cancel := context.WithTimeout(ctx, Soon)
	defer cancel()
	result, err := e.socket.Write(ctx, []byte(text))
	mustStage(err)
	return e.outcome("write(2)", result)
}

// Fill writes until the kernel takes no more, and returns how many bytes it took.
func (e *End) Fill(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, Soon)
	defer cancel()
	result, err := e.socket.WriteUntilBlocked(ctx)
	mustStage(err)
	e.Host.scene.lab.Note("%s: wrote %d bytes, until write(2) would block", e, result.N)
	return result.N
}

func (e *End) outcome(call string, r process.Result) Outcome {
	outcome := Outcome{Call: call, Data: string(r.Data), N: r.N, EOF: r.EOF, Late: r.Late, Errno: r.Errno, At: r.At, Give: r.Give}
	e.Host.scene.noteOutcome(e.Host, outcome)
	return outcome
}

// Read reads what is there or comes soon.
func (e *End) Read(ctx context.Context) Outcome {
	return e.StartRead().Within(ctx, Soon)
}

// ReadAll reads until it has n bytes, the end of file or an errno; Data holds all that came.
func (e *End) ReadAll(ctx context.Context, n int) Outcome {
	var all Outcome
	for all.N < n {
		outcome := e.Read(ctx)
		if outcome.N == 0 {
			outcome.Data, outcome.N = all.Data, all.N
			return outcome
		}
		outcome.Data, outcome.N = all.Data+outcome.Data, all.N+outcome.N
		all = outcome
	}
	return all
}

// Reading is a read(2) in which the process is blocked, or the heartbeat it keeps up.
type Reading struct {
	end     *End
	call    string
	pending *process.Pending
	done    *Outcome
}

// StartRead blocks the process in read(2) from now on.
func (e *End) StartRead() *Reading {
	return &Reading{end: e, call: "read(2)", pending: e.socket.StartRead(maxRead)}
}

const maxRead = 64 << 10

// Within waits for what read(2) returns, for so long at the most.
func (r *Reading) Within(ctx context.Context, patience time.Duration) Outcome {
	outcome, returned := r.wait(ctx, patience)
	if !returned {
		spec.Fail(fmt.Sprintf("the %s's %s has not returned within %s; its socket is %s", r.end, r.call, patience.Round(time.Millisecond), r.end.State()))
	}
	return outcome
}

// Blocked tells whether the call still has not returned.
func (r *Reading) Blocked(ctx context.Context) bool {
	// The process answers in the order in which its calls return, so what has returned before
	// this has been told.
	r.end.Option(ctx, unix.SOL_SOCKET, unix.SO_TYPE)
	select {
	case <-r.pending.Done():
		return false
	default:
		return true
	}
}

func (r *Reading) wait(ctx context.Context, patience time.Duration) (outcome Outcome, returned bool) {
	if r.done != nil {
		return *r.done, true
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	result, err := r.pending.Wait(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return Outcome{}, false
	}
	mustStage(err)
	outcome = r.end.outcome(r.call, result)
	r.done = &outcome
	return outcome, true
}
