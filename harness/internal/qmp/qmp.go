// Package qmp speaks to an emulator (QMP: docs/interop/qmp-spec of QEMU).
package qmp

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// Monitor is one emulator's. Its commands take their turns.
type Monitor struct {
	mu    sync.Mutex
	line  *os.File
	lines *bufio.Scanner
	open  bool // the emulator takes commands: qmp_capabilities has been given
}

const (
	// patience is how long the emulator may take to do what it is told at once.
	patience = 10 * time.Second

	largestLine = 1 << 20
)

// New is a monitor at the other end of this line, a stream socket that has a poller (a non-blocking one).
func New(line *os.File) *Monitor {
	m := &Monitor{line: line, lines: bufio.NewScanner(line)}
	m.lines.Buffer(nil, largestLine)
	return m
}

// Close ends the conversation, and whatever waits in it.
func (m *Monitor) Close() error { return m.line.Close() }

// Execute gives a command and waits for it to have been done.
func (m *Monitor) Execute(command string, arguments map[string]any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(time.Now().Add(patience)); err != nil {
		return err
	}
	return m.give(command, arguments)
}

// Await waits for an event, however long it takes. Events that came while a command was given are lost.
func (m *Monitor) Await(event string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(time.Time{}); err != nil {
		return err
	}
	for {
		said, err := m.next()
		if err != nil {
			return fmt.Errorf("the emulator has not told of %s: %w", event, err)
		}
		if said.Event == event {
			return nil
		}
	}
}

// begin has the emulator take commands, and leaves the deadline on the line.
func (m *Monitor) begin(deadline time.Time) error {
	if err := m.line.SetDeadline(deadline); err != nil {
		return err
	}
	if m.open {
		return nil
	}
	if err := m.give("qmp_capabilities", nil); err != nil {
		return err
	}
	m.open = true
	return nil
}

func (m *Monitor) give(command string, arguments map[string]any) error {
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if _, err := m.line.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("cannot tell the emulator %s: %w", command, err)
	}
	for {
		said, err := m.next()
		switch {
		case err != nil:
			return fmt.Errorf("the emulator has not answered %s: %w", command, err)
		case said.Error != nil:
			return fmt.Errorf("the emulator refuses %s: %s", command, said.Error.Desc)
		case said.Return != nil:
			return nil
		}
	}
}

// message is a line of the emulator's: an answer, an event, or its greeting, which is neither.
type message struct {
	Return *json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
}

func (m *Monitor) next() (said message, err error) {
	if !m.lines.Scan() {
		return said, cmp.Or(m.lines.Err(), os.ErrClosed)
	}
	if err := json.Unmarshal(m.lines.Bytes(), &said); err != nil {
		return said, fmt.Errorf("its line cannot be understood: %w", err)
	}
	return said, nil
}
