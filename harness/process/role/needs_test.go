package role

import (
	"go/build"
	"testing"

	. "github.com/onsi/gomega"
)

// What the package needs decides when its init runs: with fmt here, a process would cost three times as
// much to start.
func TestThePackageNeedsNextToNothing(t *testing.T) {
	g := NewWithT(t)
	here, err := build.ImportDir(".", 0)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(here.Imports).To(ConsistOf("runtime", "sync", "syscall", "unsafe"))
}
