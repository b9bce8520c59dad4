package machine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/halfopen/halfopen/harness/mono"
)

// client is the lab's side of a control line, for as long as the machine has power.
type client struct {
	line  *os.File
	clock clock

	mu      sync.Mutex
	life    int
	next    int
	calls   map[int]*call
	failure error // why nothing can be asked for in this life, nil if it can
}

// call is a request under way.
type call struct {
	sent time.Duration
	done func(answer, error) // called once, by the reader or by whoever ends the life
}

func newClient(line *os.File) *client {
	c := &client{line: line, calls: map[int]*call{}, failure: errors.New("the machine is not up yet")}
	go c.read()
	return c
}

// read hands out answers until the line is closed.
func (c *client) read() {
	lines := bufio.NewScanner(c.line)
	lines.Buffer(nil, largestLine)
	for lines.Scan() {
		received := mono.Now()
		var a answer
		if json.Unmarshal(lines.Bytes(), &a) != nil {
			continue // an empty line, or what a life that has ended did not say to its end
		}
		c.mu.Lock()
		waiting := c.calls[a.ID]
		if a.Life != c.life || waiting == nil {
			c.mu.Unlock()
			continue
		}
		delete(c.calls, a.ID)
		c.mu.Unlock()
		c.clock.add(waiting.sent, a.At, received)
		if a.Failure != nil {
			waiting.done(a, a.Failure)
		} else {
			waiting.done(a, nil)
		}
	}
	c.end(errors.New("the machine has no power"))
}

// end ends the life: all that is under way fails, and so does what is asked for later.
func (c *client) end(why error) {
	c.mu.Lock()
	calls := c.calls
	c.calls, c.failure = map[int]*call{}, why
	c.mu.Unlock()
	for _, each := range calls {
		each.done(answer{}, why)
	}
}

// suspend makes whatever is asked for fail, and leaves alone what is under way; nil lets it go on.
func (c *client) suspend(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure = why
}

// begin begins a life and greets it.
func (c *client) begin(ctx context.Context) error {
	c.end(errors.New("the machine has restarted"))
	c.clock.forget(mono.Now())
	c.mu.Lock()
	c.life++
	c.failure = nil
	c.mu.Unlock()
	return c.synchronize(ctx)
}

// exchanges is how many tell enough of the clock: the quickest of them is what counts.
const exchanges = 12

// synchronize learns the guest's clock.
func (c *client) synchronize(ctx context.Context) error {
	for range exchanges {
		if _, err := ask[nothing](ctx, c, hello, nil); err != nil {
			return err
		}
	}
	return nil
}

// send makes a request; done is called once.
func (c *client) send(m method, with any, done func(answer, error)) {
	encoded, err := json.Marshal(with)
	if err != nil {
		done(answer{}, err)
		return
	}
	c.mu.Lock()
	if c.failure != nil {
		defer c.mu.Unlock()
		failure := c.failure
		go done(answer{}, failure) // not under the lock
		return
	}
	c.next++
	r := request{Life: c.life, ID: c.next, Method: m, With: encoded}
	line, err := json.Marshal(r)
	if err != nil {
		defer c.mu.Unlock()
		go done(answer{}, err)
		return
	}
	// Under the lock, so that requests leave in the order in which they are numbered. Nobody waits long:
	// the line holds more than what is ever under way.
	c.calls[r.ID] = &call{sent: mono.Now(), done: done}
	_, err = c.line.Write(append(append([]byte{'\n'}, line...), '\n'))
	c.mu.Unlock()
	if err != nil {
		c.end(fmt.Errorf("the machine's control line is broken: %w", err))
	}
}

// patience is how long the guest may take for what it does at once: it is emulated, and may be starting
// beside another.
const patience = 30 * time.Second

// ask makes a request and waits for what comes of it.
func ask[R any](ctx context.Context, c *client, m method, with any) (result R, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return await[R](ctx, c, m, with)
}

// await is ask for what may take its time.
func await[R any](ctx context.Context, c *client, m method, with any) (result R, err error) {
	type outcome struct {
		answer
		err error
	}
	done := make(chan outcome, 1)
	c.send(m, with, func(a answer, err error) { done <- outcome{a, err} })
	select {
	case o := <-done:
		if o.err != nil {
			return result, o.err
		}
		if len(o.Result) > 0 {
			err = json.Unmarshal(o.Result, &result)
		}
		return result, err
	case <-ctx.Done():
		return result, fmt.Errorf("the machine has not answered %s: %w", m, context.Cause(ctx))
	}
}
