package vm

import (
	"errors"
	"fmt"
	"strings"
)

// What can be in the way of a guest. The error's own text is a sentence with the cure, or with the
// guest's last words on the console.
var (
	ErrNoQEMU     = errors.New("no emulator")
	ErrNotStatic  = errors.New("not a static program")
	ErrNoBoot     = errors.New("the guest did not boot")
	ErrPanic      = errors.New("the guest's kernel panicked")
	ErrMemory     = errors.New("the guest ran out of memory")
	ErrBudget     = errors.New("the guest exceeded its budget")
	ErrEnded      = errors.New("the guest ended before its job was done")
	ErrUnprepared = errors.New("the guest could not be prepared")
)

// failure is one of the above with its sentence and the console's last lines.
type failure struct {
	kind     error
	sentence string
	console  []string
}

func (f *failure) Error() string {
	if len(f.console) == 0 {
		return f.sentence
	}
	return f.sentence + "; its last words:\n  " + strings.Join(f.console, "\n  ")
}

func (f *failure) Unwrap() error { return f.kind }

func because(kind error, console []string, format string, args ...any) error {
	return &failure{kind: kind, sentence: fmt.Sprintf(format, args...), console: console}
}
