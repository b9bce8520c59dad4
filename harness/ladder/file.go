package ladder

import (
	"fmt"
	"os"

	"github.com/halfopen/halfopen/harness/wire"
)

// Read makes the diagram of a pcapng file. Errors wrap wire.ErrNotRecording where it is none of ours, and
// fs.ErrNotExist where it is missing.
func Read(path string) (*Diagram, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the capture: %w", err)
	}
	defer file.Close()
	recording, err := wire.ReadPcapng(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the capture %s: %w", path, err)
	}
	return From(recording), nil
}
