package procfs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/internal/procfs"
)

func TestAFileIsReadToItsEnd(t *testing.T) {
	g := NewWithT(t)
	for _, path := range []string{"/proc/self/net/netstat", "/proc/kallsyms", "/proc/sys/kernel/ostype"} {
		want, err := os.ReadFile(path)
		g.Expect(err).NotTo(HaveOccurred())
		got, err := procfs.Read(path)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(strings.Count(string(got), "\n")).To(Equal(strings.Count(string(want), "\n")), path)
	}
	ostype, err := procfs.Read("/proc/sys/kernel/ostype")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(ostype)).To(Equal("Linux\n"))
}

func TestAValueIsWrittenAtOnceAndNothingIsCreated(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "sysctl")
	g.Expect(procfs.Write(path, "1")).To(MatchError(os.ErrNotExist))
	g.Expect(path).NotTo(BeAnExistingFile())
	g.Expect(os.WriteFile(path, nil, 0o600)).To(Succeed())
	g.Expect(procfs.Write(path, "1")).To(Succeed())
	g.Expect(procfs.Read(path)).To(Equal([]byte("1")))
	_, err := procfs.Read(filepath.Dir(path))
	g.Expect(err).To(MatchError(unix.EISDIR))
	g.Expect(err).To(MatchError(ContainSubstring(filepath.Dir(path))))
}
