package stage

import (
	"os"
	"slices"
	"strconv"

	"github.com/halfopen/halfopen/harness/process/role"
)

// letWatchSleep lets the runtime's watch over this process' threads (sysmon) oversleep, as that of a role does. It looks
// once a minute whether there is garbage, and some microseconds after each thing that the process does whether a system
// call keeps the processor from others: a quarter of a guest's timer interrupts, and four of a hundred instructions.
// None here needs the watch, because none waits for what this process has yet to do: the longest, which end a device
// or a namespace, wait some ticks for the kernel (synchronize_net), and between two specs there is nothing else to do.
// What must be done in time, an answer to each copy say, makes no such call. A thread that the watch made would
// oversleep like it; there is always an idle one that it wakes instead (startm): all 826 specs on 5.10 and 6.18 ended
// without another. A watch that cannot be told costs more, and does no harm.
func letWatchSleep() {
	if id := watch(); id != 0 {
		_ = os.WriteFile("/proc/"+strconv.Itoa(id)+"/timerslack_ns", strconv.AppendInt(nil, role.RuntimeSlack, 10), 0)
	}
}

// watch is the thread of the runtime's watch, which is the first that the runtime makes (runtime.main); 0 if /proc does
// not tell.
func watch() int {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return 0
	}
	var ids []int
	for _, thread := range threads {
		if id, err := strconv.Atoi(thread.Name()); err == nil && id != os.Getpid() {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return 0
	}
	return slices.Min(ids)
}
