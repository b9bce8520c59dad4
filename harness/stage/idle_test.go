package stage

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Of all threads the watch alone sleeps by the clock while the process is at work; the others wait to be woken.
func TestTheWatchOfTheRuntimeIsTheThreadThatSleepsByTheClock(t *testing.T) {
	path := fmt.Sprintf("/proc/self/task/%d/syscall", watch())
	asleep := fmt.Sprintf("%d ", unix.SYS_NANOSLEEP)
	var last []byte
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		var err error
		if last, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(last), asleep) {
			return
		}
	}
	t.Errorf("the thread was never seen in nanosleep(2); last in %q", last)
}
