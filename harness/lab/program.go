package lab

import (
	"fmt"

	"github.com/halfopen/halfopen/harness/process"
)

// StartProgram starts a program on the host, as start does on the thread it is called on. It dies
// with the host.
func (h *Host) StartProgram(start func() (*process.Program, error)) (p *process.Program, err error) {
	local, err := h.local()
	if err != nil {
		return nil, err
	}
	if p, err = local.startProgram(start); err != nil {
		return nil, fmt.Errorf("cannot start a program on %s: %w", h.name, err)
	}
	return p, nil
}
