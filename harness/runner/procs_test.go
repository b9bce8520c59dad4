package runner

import "testing"

func TestTheMemoryThatIsAvailableIsRead(t *testing.T) {
	available, err := availableMemory()
	if err != nil || available < 1<<20 {
		t.Fatalf("%d bytes, %v", available, err)
	}
	if procs := DefaultProcs(); procs < 1 || procs > mostProcs {
		t.Errorf("%d specs at once", procs)
	}
}
