package timing

import (
	"testing"
	"time"
)

// What was seen at HZ 250 with tcp_retries2=3: an abort 3.06 s after T1 and 15 copies by timeout.
func TestUndoneBackoffLeavesTheDeadlineAndMultipliesTheCopies(t *testing.T) {
	plain := Retransmission{RTO: 204 * time.Millisecond, Retries2: 3, Wheel: Wheel{HZ: 250}}
	undone := Reverted{plain}
	least, most := undone.Copies()
	if least > 15 || most < 15 || most > 17 {
		t.Errorf("%d to %d copies", least, most)
	}
	window := undone.AbortAfterFirst()
	if !window.Contains(3060*time.Millisecond) || window.Floor != 2999*time.Millisecond || window.Ceiling > 3300*time.Millisecond {
		t.Errorf("the abort is due in %s", window)
	}
	for i, interval := range undone.Intervals(14) {
		if !interval.Contains(204*time.Millisecond) || interval.Contains(250*time.Millisecond) {
			t.Errorf("interval %d is %s", i+1, interval)
		}
	}
}

// The kernel counts retransmissions in a byte, and the error that meets it at 0 undoes nothing.
func TestEvery256thDoublingStays(t *testing.T) {
	undone := Reverted{Retransmission{RTO: 200 * time.Millisecond, Retries2: 15}}
	intervals := undone.Intervals(512)
	for copy, want := range map[int]time.Duration{1: 200, 255: 200, 256: 400, 511: 400, 512: 800} {
		if got := intervals[copy-1].Ceiling; got != want*time.Millisecond {
			t.Errorf("after copy %d the timer is armed for %v", copy, got)
		}
	}
}
