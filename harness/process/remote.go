package process

import (
	"context"
	"errors"

	"github.com/halfopen/halfopen/harness/process/role"
)

// ErrElsewhere is what needs a descriptor to be handed over, and the process is on another machine.
var ErrElsewhere = errors.New("the process is on another machine")

// Remote is how a process on another machine is driven: what Process has, but with requests as they are.
// The times in what it returns are of this machine's clock.
type Remote interface {
	PID() int
	Dead() <-chan struct{}
	Stop() error
	Freeze() error
	Thaw() error
	Die(ctx context.Context, m Manner) (Death, error)

	// Request makes a request, after those before it; answered is called once, with the answer or with
	// why there is none.
	Request(r role.Request, answered func(role.Answer, error))
}

// On is a process on another machine.
func On(name string, r Remote) *Process { return &Process{name, &remote{r}} }

// Request is what a Remote's is at the machine where the process runs.
func (p *Process) Request(r role.Request, answered func(role.Answer, error)) {
	waiting := p.send(context.Background(), r, -1)
	go func() {
		<-waiting.done
		if waiting.answer.ID != 0 {
			answered(waiting.answer, nil) // what it says went wrong is the other side's to tell
			return
		}
		answered(waiting.answer, waiting.err)
	}()
}

// remote is a Remote as a Process's body.
type remote struct{ Remote }

func (r *remote) send(_ context.Context, request role.Request, _ int) *Pending {
	waiting := &Pending{done: make(chan struct{})}
	r.Request(request, func(a role.Answer, err error) {
		if waiting.answer, waiting.err = a, err; err == nil {
			waiting.err = failure(a)
		}
		close(waiting.done)
	})
	return waiting
}
