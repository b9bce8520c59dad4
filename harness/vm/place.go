package vm

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A guest on the virtual clock has one processor of the machine's. The emulator's two threads take turns, and on two
// processors most turns wake one that idles: 72 specs of one guest took 45 to 50 s of processor time, and 32 s on one
// processor. Where every processor has a guest the scheduler keeps them apart by itself, at the same cost.

// places are this process's guests on each processor.
var places = struct {
	sync.Mutex
	guests map[int]int
}{guests: map[int]int{}}

// place picks the processor with the fewest guests, of those that this process may use: here the emulator is to start,
// and anywhere is where it may. Call leave when the guest has ended.
func place() (here, anywhere unix.CPUSet, leave func(), err error) {
	if err := unix.SchedGetaffinity(0, &anywhere); err != nil {
		return here, anywhere, nil, fmt.Errorf("cannot tell which processors there are: %w", err)
	}
	places.Lock()
	defer places.Unlock()
	processor := -1
	for n := range 64 * len(anywhere) {
		if anywhere.IsSet(n) && (processor < 0 || places.guests[n] < places.guests[processor]) {
			processor = n
		}
	}
	here.Set(processor)
	places.guests[processor]++
	return here, anywhere, func() {
		places.Lock()
		defer places.Unlock()
		places.guests[processor]--
	}, nil
}

// starved is the share of a processor below which a guest has to look for another: it never idles itself.
const starved = 0.7

// share lets a guest go anywhere, for good, once it does not get its processor: somebody else keeps to the same one.
func share(ctx context.Context, pid int, anywhere unix.CPUSet) {
	const period = time.Second
	tick := time.NewTicker(period)
	defer tick.Stop()
	for before := processorTime(pid); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := processorTime(pid)
		if (now - before).Seconds() < starved*period.Seconds() {
			threads, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*") // no pattern to fail for
			for _, thread := range threads {
				id, _ := strconv.Atoi(filepath.Base(thread))
				_ = unix.SchedSetaffinity(id, &anywhere) // a thread that is gone needs no place
			}
			return
		}
		before = now
	}
}
