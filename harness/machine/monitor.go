package machine

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// monitor speaks to the emulator (QMP: docs/interop/qmp-spec of QEMU).
type monitor struct {
	mu    sync.Mutex
	line  *os.File
	lines *bufio.Scanner
	open  bool // the emulator takes commands: qmp_capabilities has been given
}

// monitorPatience is how long the emulator may take to do what it is told at once.
const monitorPatience = 10 * time.Second

func newMonitor(line *os.File) *monitor {
	m := &monitor{line: line, lines: bufio.NewScanner(line)}
	m.lines.Buffer(nil, largestLine)
	return m
}

// execute gives a command and waits for it to have been done.
func (m *monitor) execute(command string, arguments map[string]any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.open {
		if err := m.give("qmp_capabilities", nil); err != nil {
			return err
		}
		m.open = true
	}
	return m.give(command, arguments)
}

func (m *monitor) give(command string, arguments map[string]any) error {
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if err := m.line.SetDeadline(time.Now().Add(monitorPatience)); err != nil {
		return err
	}
	if _, err := m.line.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("cannot tell the emulator %s: %w", command, err)
	}
	for m.lines.Scan() {
		var said struct {
			Return *json.RawMessage `json:"return"`
			Error  *struct {
				Desc string `json:"desc"`
			} `json:"error"`
		}
		if err := json.Unmarshal(m.lines.Bytes(), &said); err != nil {
			return fmt.Errorf("the emulator's answer to %s cannot be understood: %w", command, err)
		}
		switch {
		case said.Error != nil:
			return fmt.Errorf("the emulator refuses %s: %s", command, said.Error.Desc)
		case said.Return != nil:
			return nil
		}
		// A greeting or an event.
	}
	return fmt.Errorf("the emulator has not answered %s: %w", command, cmp.Or(m.lines.Err(), os.ErrClosed))
}
