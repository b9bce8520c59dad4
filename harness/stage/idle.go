package stage

import (
	"os"
	"slices"
	"strconv"

	"github.com/halfopen/halfopen/harness/process/role"
)

// letWatchSleep lets the runtime's watch over this process' threads (sysmon) oversleep, as that of a role does. It looks
// once a minute whether there is garbage, and some microseconds after each thing that the process does whether a system
// call keeps the processor from others: a quarter of a guest's timer interrupts, and five of a hundred instructions.
// None here needs the watch, because none waits for what this process has yet to do: the longest, which end a device
// or a namespace, wait some ticks for the kernel (synchronize_net), and between two specs there is nothing else to do.
//
// The watch is the first thread that the runtime makes (runtime.main). One that cannot be told costs more, and works as
// well.
func letWatchSleep() {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	own := os.Getpid()
	var ids []int
	for _, thread := range threads {
		if id, err := strconv.Atoi(thread.Name()); err == nil && id != own {
			ids = append(ids, id)
		}
	}
	if len(ids) > 0 {
		_ = os.WriteFile("/proc/"+strconv.Itoa(slices.Min(ids))+"/timerslack_ns", strconv.AppendInt(nil, role.RuntimeSlack, 10), 0)
	}
}
