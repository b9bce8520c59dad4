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
	// between the timer and what it then does. It is this suite's number, as deathBound is; 5 ms was
	// measured on the virtual clock.
	applicationBound = 100 * time.Millisecond

	// How late the kernel may end a wait in epoll_wait(2), so that wake-ups fall together:
	// a thousandth of it, and no more than 100 ms (select_estimate_accuracy, MAX_SLACK). nginx's 75 s
	// take 75.08 s.
	epollSlack    = 1000
	epollMaxSlack = 100 * time.Millisecond
)

// Application is when a program does something so long after an event. Its timers are no timers of
// the wheel (hrtimers end epoll_wait(2) and futex(2)), but they have a lateness of their own, and the
// program has to run.
func Application(wait time.Duration, what string) Window {
	return Window{
		Floor:   max(wait-applicationGrain, 0),
		Ceiling: wait + min(wait/epollSlack, epollMaxSlack) + applicationBound,
		Source:  fmt.Sprintf("%s, %v", what, wait),
	}
}
