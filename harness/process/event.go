package process

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process/role"
)

// Event is a line by which a program of this same binary tells what has happened to it.
type Event struct {
	What string        `json:"what"` // the program's package has the words
	Text string        `json:"text,omitempty"`
	From string        `json:"from,omitempty"` // an address and port
	At   time.Duration `json:"at"`             // monotonic, in the program
}

// Event understands the line as an event; ok is false for what is none.
func (l Line) Event() (event Event, ok bool) {
	err := json.Unmarshal([]byte(l.Text), &event)
	return event, err == nil && event.What != ""
}

// String is the line as people read it: of an event what it tells, without the JSON.
func (l Line) String() string {
	event, ok := l.Event()
	if !ok {
		return l.Text
	}
	told := event.What
	if event.Text != "" {
		told += ": " + event.Text
	}
	if event.From != "" {
		told += " (" + event.From + ")"
	}
	return told
}

// Tells fits a line that tells of that, and of this text if it is not empty.
func Tells(what, text string) func(Line) bool {
	return func(line Line) bool {
		event, ok := line.Event()
		return ok && event.What == what && (text == "" || event.Text == text)
	}
}

// StartRole starts this same binary in a role that another package serves, on the host of the calling
// thread as StartProgram does. The configuration goes to it as JSON.
func StartRole(title, name string, configuration any) (*Program, error) {
	encoded, err := json.Marshal(configuration)
	if err != nil {
		return nil, fmt.Errorf("start %s: encode its configuration: %w", title, err)
	}
	return StartProgram(ProgramOptions{Name: title, Path: role.Executable, Args: []string{string(encoded)}, Env: role.Environment(name)})
}

// ServeRole is the life of a process that StartRole has started in the role, and does nothing in any other. A
// package calls it in its init, so that no binary that links the package has to know of it. What run
// returns goes to stderr, and the process exits with status 1.
func ServeRole[Configuration any](name string, run func(Configuration) error) {
	if os.Getenv(role.Variable) != name {
		return
	}
	var configuration Configuration
	err := json.Unmarshal([]byte(strings.Join(os.Args[1:], " ")), &configuration)
	if err != nil {
		err = fmt.Errorf("understand the configuration: %w", err)
	} else {
		err = run(configuration)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Tell says an event, whose time is now, from inside a role. Whoever does not listen any more is about to
// end this program.
func Tell(event Event) {
	event.At = mono.Now()
	line, _ := json.Marshal(event) // three strings and a number
	_, _ = os.Stdout.Write(append(line, '\n'))
}
