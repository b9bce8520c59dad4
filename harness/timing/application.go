package timing

import (
	"fmt"
	"time"
)

const (
	// applicationGrain is how early an application's timer may look: nginx counts whole milliseconds, and
	// from the moment at which its loop woke up (ngx_time_update), not from the packet that it then sent.
	applicationGrain = 5 * time.Millisecond
	// applicationBound is how late: what an application needs between a packet and its timer, and
	// between the timer and what it then does. It is this suite's number, as deathBound is; 3 ms was measured.
	applicationBound = 100 * time.Millisecond
)

// Application is when a program does something so long after an event: its own timers, in user
// space, are no timers of the wheel (hrtimers wake epoll_wait(2) and futex(2)), but the program
// has to run.
func Application(wait time.Duration, what string) Window {
	return Window{
		Floor:   max(wait-applicationGrain, 0),
		Ceiling: wait + applicationBound,
		Source:  fmt.Sprintf("%s, %v", what, wait),
	}
}
