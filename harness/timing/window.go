package timing

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Window is the time within which something must happen: not before Floor, not after Ceiling.
// Source says in a few words which model it comes from.
type Window struct {
	Floor, Ceiling time.Duration
	Source         string
}

// String is the window as a person reads it: "6.2 s to 6.9 s (model(3) of tcp_retries2)". The floor is
// rounded down and the ceiling up, to the millisecond, so that what is printed contains the window.
func (w Window) String() string {
	s := fmt.Sprintf("%s to %s", seconds(w.Floor, math.Floor), seconds(w.Ceiling, math.Ceil))
	if w.Source != "" {
		s += " (" + w.Source + ")"
	}
	return s
}

// Contains says whether d lies in the window, both ends included.
func (w Window) Contains(d time.Duration) bool { return w.Floor <= d && d <= w.Ceiling }

// Plus raises the ceiling by slack, for a machine that may be slow to run what the kernel made
// runnable. The floor stays: nothing makes a kernel early.
func (w Window) Plus(slack time.Duration) Window {
	w.Ceiling += slack
	return w
}

// From is the window seen from another zero: both ends are shifted by offset. A window counted from
// T1, shifted by when T1 was, is a window on the monotonic clock.
func (w Window) From(offset time.Duration) Window {
	w.Floor += offset
	w.Ceiling += offset
	return w
}

// Then is the window of one thing that begins when another has happened: floors and ceilings add up.
// The source is that of next, as it names what happens at the end.
func (w Window) Then(next Window) Window {
	next.Floor += w.Floor
	next.Ceiling += w.Ceiling
	return next
}

// seconds prints d in seconds, to the millisecond, without trailing zeros.
func seconds(d time.Duration, round func(float64) float64) string {
	ms := round(float64(d) / float64(time.Millisecond))
	return strconv.FormatFloat(ms/1000, 'f', -1, 64) + " s"
}
