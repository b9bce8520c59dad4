package vm

import (
	"bytes"
	"regexp"
	"testing"

	. "github.com/onsi/gomega"
)

func TestAProgramComesWithItsLibrariesAndEachFileOnce(t *testing.T) {
	g := NewWithT(t)
	const shell = "/bin/sh"
	g.Expect(Complete(shell)).To(BeTrue())
	g.Expect(Complete("/nowhere/at-all")).To(BeFalse())
	needed, err := libraries(shell)
	g.Expect(err).NotTo(HaveOccurred())

	var out bytes.Buffer
	a := archive{to: &out}
	g.Expect(a.programs([]string{shell, shell})).To(Succeed())
	for _, path := range append(needed, shell, "/etc/passwd", "/etc/group") {
		entry := regexp.MustCompile(`070701[0-9a-f]{104}` + regexp.QuoteMeta(path[1:]) + `\x00`)
		g.Expect(entry.FindAll(out.Bytes(), -1)).To(HaveLen(1), path)
	}

	out.Reset()
	a = archive{to: &out}
	g.Expect(a.programs(nil)).To(Succeed())
	g.Expect(out.Len()).To(BeZero(), "who brings nothing finds the archive as it was")
}
