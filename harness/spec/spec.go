// Package spec is Ginkgo's vocabulary as the suites use it, but that a process which is to run a few specs builds
// no others: the regular expressions alone by which Ginkgo passed over the rest were a tenth of what a spec in a
// guest cost.
package spec

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/onsi/ginkgo/v2"
)

// What else a suite needs of Ginkgo.
type (
	SpecContext  = ginkgo.SpecContext
	SpecPriority = ginkgo.SpecPriority
)

// suites are the packages of the specs.
const suites = "github.com/halfopen/halfopen/suites/"

// Fail is Ginkgo's, and says where in the suites it happened: of the calls that led here the innermost there. Ginkgo's
// own way, by a mark of every function that helps, walks the stack at each mark, and most specs pass.
func Fail(message string, callerSkip ...int) {
	skip := 0
	if len(callerSkip) > 0 {
		skip = callerSkip[0]
	}
	var callers [64]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers[:])]) // from this function on
	for depth, more := 0, true; more; depth++ {
		var frame runtime.Frame
		if frame, more = frames.Next(); strings.HasPrefix(frame.Function, suites) {
			skip = depth - 1
			break
		}
	}
	ginkgo.Fail(message, skip+1)
}

// Env is the environment's variable with the full texts of the specs that this process is to run, a line
// each.
const Env = "HALFOPEN_SPECS"

// Chosen are the texts of those that this process is to run, nil if it is to run all or none.
var Chosen = sync.OnceValue(func() []string {
	texts := os.Getenv(Env)
	if texts == "" {
		return nil
	}
	return strings.Split(texts, "\n")
})

// container is the text of the one that is being built.
var container string

// Contain builds a container's specs, whose full texts begin with the text and a space.
func Contain(text string, body func()) {
	container = text
	defer func() { container = "" }()
	body()
}

// Contains tells whether the container of that text has a spec for this process.
func Contains(text string) bool {
	return Chosen() == nil || slices.ContainsFunc(Chosen(), func(spec string) bool { return strings.HasPrefix(spec, text+" ") })
}

// It is Ginkgo's, inside Contain.
func It(text string, args ...any) bool {
	if Chosen() != nil && !slices.Contains(Chosen(), container+" "+text) {
		return true
	}
	return ginkgo.It(text, append(slices.Clone(args), ginkgo.Offset(1))...)
}
