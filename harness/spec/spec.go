// Package spec is Ginkgo's vocabulary as the suites use it, but that a process which is to run a few specs builds
// no others: the regular expressions alone by which Ginkgo passed over the rest were a tenth of what a spec in a
// guest cost.
package spec

import (
	"os"
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

// GinkgoHelper is Ginkgo's.
var GinkgoHelper = ginkgo.GinkgoHelper

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
