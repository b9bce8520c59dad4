package timing

import (
	"testing"
	"time"
)

func TestAnApplicationsTimerIsAGrainEarlyAtMostAndItsBoundLate(t *testing.T) {
	window := Application(2*time.Second, "keepalive_timeout")
	for d, inside := range map[time.Duration]bool{
		1994 * time.Millisecond: false,
		1995 * time.Millisecond: true,
		2 * time.Second:         true,
		2100 * time.Millisecond: true,
		2101 * time.Millisecond: false,
	} {
		if window.Contains(d) != inside {
			t.Errorf("%v inside %v: %v", d, window, !inside)
		}
	}
	if got, want := window.String(), "1.995 s to 2.1 s (keepalive_timeout, 2s)"; got != want {
		t.Errorf("the window is %q, not %q", got, want)
	}
	if at := Application(0, "at once"); at.Floor != 0 {
		t.Errorf("what follows at once comes before its cause: %v", at)
	}
}
