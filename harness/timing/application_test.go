package timing

import (
	"testing"
	"time"
)

func TestAnApplicationsTimerIsAGrainEarlyAtMostAndASlackAndABoundLate(t *testing.T) {
	for wait, ceiling := range map[time.Duration]time.Duration{
		2 * time.Second:   2*time.Second + 102*time.Millisecond,
		75 * time.Second:  75*time.Second + 175*time.Millisecond,
		120 * time.Second: 120*time.Second + 200*time.Millisecond, // the slack has its maximum from 100 s on
	} {
		window := Application(wait, "keepalive_timeout")
		if want := wait - 5*time.Millisecond; window.Floor != want {
			t.Errorf("%v: the floor is %v, not %v", wait, window.Floor, want)
		}
		if window.Ceiling != ceiling {
			t.Errorf("%v: the ceiling is %v, not %v", wait, window.Ceiling, ceiling)
		}
	}
	if got, want := Application(2*time.Second, "keepalive_timeout").String(), "1.995 s to 2.102 s (keepalive_timeout, 2s)"; got != want {
		t.Errorf("the window is %q, not %q", got, want)
	}
	if at := Application(0, "at once"); at.Floor != 0 {
		t.Errorf("what follows at once comes before its cause: %v", at)
	}
}
