package runner

import (
	"fmt"
	"os"
)

const (
	// mostProcs is enough for a run to last hardly longer than its longest spec: with 64 it lasted
	// 1.3 times as long, with 128 1.03 times. Specs wait nearly all the time, so it does not depend
	// on the number of processors.
	mostProcs = 128
	// specMemory is what a spec's process and the processes on its two hosts take, 7 MB each, rounded up.
	specMemory = 24 << 20
)

// DefaultProcs is how many specs run at once if nobody says otherwise: so many that the machine
// keeps half of the memory it has to spare.
func DefaultProcs() int {
	available, err := availableMemory()
	if err != nil {
		return mostProcs
	}
	return max(1, min(mostProcs, available/2/specMemory))
}

// availableMemory is MemAvailable of proc_meminfo(5), in bytes.
func availableMemory() (int, error) {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer file.Close()
	var total, free, available int
	_, err = fmt.Fscanf(file, "MemTotal: %d kB\nMemFree: %d kB\nMemAvailable: %d kB\n", &total, &free, &available)
	return available << 10, err
}
