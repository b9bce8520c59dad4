package runner

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// mostProcs is enough for a run to last hardly longer than its longest spec: with 64 it lasted
	// 1.3 times as long, with 128 1.03 times. Specs wait nearly all the time, so it does not depend
	// on the number of processors.
	mostProcs = 128
	// specMemory is what the process of several specs, up to 40 MB, and those on its two hosts, 7 MB each,
	// have resident, without what they share: the program's file.
	specMemory = 36 << 20
	// specFiles are the descriptors the runner holds for a spec: three pipes and a pidfd.
	specFiles = 4
	// ownFiles are those it holds for itself.
	ownFiles = 32
)

// DefaultBatch is how many specs a process runs on a real machine. To start it costs as much as half a
// spec; what it gains beyond eight is little, and a process that dies takes its spec and a start with it.
const DefaultBatch = 8

// DefaultProcs is how many specs run at once if nobody says otherwise: so many that the machine
// keeps half of the memory it has to spare, and that the descriptors suffice.
func DefaultProcs() int {
	procs := mostProcs
	if available, err := availableMemory(); err == nil {
		procs = min(procs, available/2/specMemory)
	}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err == nil && files.Cur < mostProcs*specFiles+ownFiles {
		procs = min(procs, (int(files.Cur)-ownFiles)/specFiles)
	}
	return max(1, procs)
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
