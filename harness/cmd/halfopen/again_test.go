package main

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestAProgramIsNamedAsItWasCalled(t *testing.T) {
	g := NewWithT(t)
	const checkout = "go run ./harness/cmd/halfopen"
	for called, want := range map[string]string{
		"./halfopen":                 "./halfopen",
		"halfopen":                   "halfopen",
		"/opt/tools/halfopen-1.0":    "/opt/tools/halfopen-1.0",
		"/opt/my tools/halfopen":     "'/opt/my tools/halfopen'",
		"/tmp/go-build1/b1/exe/half": checkout,
		"/cache/b7/" + strings.Repeat("b7dc", 16) + "-d/halfopen": checkout, // GOCACHE may be anywhere
		"/tmp/halfopen.test": checkout,
	} {
		g.Expect(programOf(called)).To(Equal(want))
	}
}

func TestAGuestIsBootedTheSameAgain(t *testing.T) {
	g := NewWithT(t)
	flags := defaultGuestFlags
	g.Expect(strings.Join(flags.again("debian:6.12"), " ")).To(Equal("--kernel debian:6.12"))
	flags.Clock, flags.Seed, flags.Append, flags.Memory = "real", 7, "mitigations=off quiet", 1024
	g.Expect(strings.Join(flags.again("./my kernel"), " ")).To(
		Equal("--kernel './my kernel' --clock real --seed 7 --append 'mitigations=off quiet' --memory 1024"))
}
