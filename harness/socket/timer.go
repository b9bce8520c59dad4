package socket

import (
	"fmt"
	"time"
)

// TimerKind is what a timer is for, numbered as idiag_timer (net/ipv4/inet_diag.c).
type TimerKind uint8

// The kinds of timer. Retransmission also stands for the tail-loss probe and, on a SYN-RECEIVED
// socket, for the SYN-ACK; Keepalive also for an orphan in FIN-WAIT-2 that waits longer than 60 s.
const (
	NoTimer TimerKind = iota
	Retransmission
	Keepalive
	TimeWaitTimer
	Persist
	DelayedACK // told by 7.2 and 7.3; 6.12 and older tell none while an acknowledgement is held back
)

// String names the kind in words: "none", "retransmission", "keepalive", "TIME-WAIT", "persist",
// "delayed ACK".
func (k TimerKind) String() string {
	names := [...]string{"none", "retransmission", "keepalive", "TIME-WAIT", "persist", "delayed ACK"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("timer %d", uint8(k))
}

// Timer is the armed timer of a socket; the zero Timer is none.
type Timer struct {
	Kind    TimerKind
	Expires time.Duration // from the snapshot's moment on, in whole milliseconds; 0 when it is due
	Count   int           // retransmissions, or probes that have no answer; the kernel counts to 255 and wraps
}

// String tells the timer in one line: "keepalive in 7.2s, count 1".
func (t Timer) String() string {
	if t.Kind == NoTimer {
		return "no timer"
	}
	return fmt.Sprintf("%s in %v, count %d", t.Kind, t.Expires, t.Count)
}
