package timing

import (
	"fmt"
	"time"
)

// Backoff that is undone (RFC 6069): an ICMP error which says that there is no way to the host, about
// the oldest unacknowledged segment, takes back one doubling of the RTO (tcp_ld_RTO_revert). The timer
// is armed for what is then left of the interval, counted from the segment's last copy; if nothing is
// left, the segment is sent again at once.

// retransmitsWrap is when icsk_retransmits, a byte, is 0 again. An error that meets it there is taken
// for one before the first timeout and undoes nothing, so one doubling more stays for good.
const retransmitsWrap = 256

// AtOnce is what is done within the packet that it answers, without a timer: no tick may pass.
func (w Wheel) AtOnce() Window {
	return Window{Ceiling: max(w.Jiffy(), time.Millisecond), Source: "at once"}
}

// BeforeAnyTimer is when an application has learnt of something by the packet that brought it: it may have
// to wait for a processor (5 ms were seen in a guest with one), but no timer of TCP's is shorter than this.
func BeforeAnyTimer() Window { return Window{Ceiling: RTOMin, Source: "before any timer of TCP's"} }

// Reverted is data of which each copy is answered at once by an ICMP error that undoes the doubling.
type Reverted struct{ Retransmission }

// Intervals are the times between the first n+1 copies by RTO, from T1 on. The kernel rounds the time
// that has gone since the copy up to a jiffy, and so waits one less; the tick that counts may be one
// less again, as everywhere (Wheel.seen).
func (r Reverted) Intervals(n int) []Window {
	var intervals []Window
	for i := 1; i <= n; i++ {
		intervals = append(intervals, r.between(i))
	}
	return intervals
}

// between is the time between copy i by RTO and the next.
func (r Reverted) between(i int) Window {
	window := r.Wheel.seen(r.interval(i), fmt.Sprintf("RTO, doubled %d times for good", i/retransmitsWrap))
	window.Floor = max(window.Floor-r.Wheel.Jiffy(), 0)
	return window
}

// Copies is the fewest and the most copies by RTO before the abort.
func (r Reverted) Copies() (least, most int) {
	limit, _ := r.limit()
	count := func(step func(Window) time.Duration, limit time.Duration) int {
		gone, n := time.Duration(0), 1
		for ; gone < limit; n++ {
			gone += step(r.between(n))
		}
		return n - 1
	}
	least = count(func(w Window) time.Duration { return w.Ceiling }, limit-grain(r.Wheel))
	most = count(func(w Window) time.Duration { return w.Floor }, limit+grain(r.Wheel))
	return least, most
}

// AbortAfterFirst is when the connection is given up, from T1: at the first expiry after the model's time,
// as ever. Only the expiries lie closer together.
func (r Reverted) AbortAfterFirst() Window {
	limit, source := r.limit()
	_, most := r.Copies()
	last := r.interval(most)
	return Window{
		Floor:   limit - grain(r.Wheel),
		Ceiling: limit + grain(r.Wheel) + last + r.Wheel.Lateness(last),
		Source:  source + ", backoff undone",
	}
}

// AbortAfterWrite is when the connection is given up, from the write.
func (r Reverted) AbortAfterWrite() Window { return r.First().Then(r.AbortAfterFirst()) }

// interval is what the timer is armed with after copy i by RTO, from 1.
func (r Reverted) interval(i int) time.Duration {
	rto := r.Wheel.RoundUp(r.RTO)
	return Backoff(rto, r.RTOMax, i/retransmitsWrap+1)[i/retransmitsWrap]
}
