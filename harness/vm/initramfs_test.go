package vm

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

func TestTheArchiveIsWhatCpioReads(t *testing.T) {
	g := NewWithT(t)
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Skip("cpio is not installed: the kernel reads the archive in TestTwoRunsOfAGuestAreTheSame")
	}
	folder := t.TempDir()
	program := filepath.Join(folder, "program")
	g.Expect(os.WriteFile(program, bytes.Repeat([]byte("x"), 4097), 0o600)).To(Succeed())

	var out bytes.Buffer
	a := archive{to: &out}
	g.Expect(a.directory("dev")).To(Succeed())
	g.Expect(a.add(entry{name: "dev/console", mode: unix.S_IFCHR | 0o600, major: 5, minor: 1})).To(Succeed())
	g.Expect(a.bytes("plan.json", []byte("{}\n"))).To(Succeed())
	g.Expect(a.file("init", 0o755, program)).To(Succeed())
	g.Expect(a.close()).To(Succeed())

	list := exec.Command("cpio", "-tv", "--quiet", "--numeric-uid-gid")
	list.Stdin = bytes.NewReader(out.Bytes())
	listing, err := list.Output()
	g.Expect(err).NotTo(HaveOccurred())
	lines := strings.Split(strings.TrimSpace(string(listing)), "\n")
	g.Expect(lines).To(HaveLen(4))
	g.Expect(lines[0]).To(HavePrefix("drwxr-xr-x   2 0        0"))
	g.Expect(lines[1]).To(And(HavePrefix("crw-------"), ContainSubstring("5,   1"), HaveSuffix("dev/console")))
	g.Expect(lines[2]).To(And(HavePrefix("-rw-r--r--"), HaveSuffix("plan.json")))
	g.Expect(lines[3]).To(And(HavePrefix("-rwxr-xr-x"), ContainSubstring(" 4097 "), HaveSuffix("init")))
}

func TestEqualContentsGiveEqualBytes(t *testing.T) {
	g := NewWithT(t)
	config := Config{Binary: "/proc/self/exe", Job: []byte("job")}.withDefaults()
	var archives [2][]byte
	for i := range archives {
		file, err := pack(config, 7, false)
		g.Expect(err).NotTo(HaveOccurred())
		archives[i], err = io.ReadAll(io.NewSectionReader(file, 0, 1<<40))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(file.Close()).To(Succeed())
	}
	g.Expect(bytes.Equal(archives[0], archives[1])).To(BeTrue())
}
