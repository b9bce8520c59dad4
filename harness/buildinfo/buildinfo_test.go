package buildinfo

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	. "github.com/onsi/gomega"
)

func TestWhatThisProgramIs(t *testing.T) {
	g := NewWithT(t)
	info, err := Read("/proc/self/exe")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Version).To(Equal(Version()))
	g.Expect(info.Go).To(Equal(runtime.Version()))
}

func TestAStaticProgramAndOneThatNeedsALoader(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	g.Expect(os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nfunc main() {}\n"), 0o644)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.org/small\n\ngo 1.26\n"), 0o644)).To(Succeed())
	command := exec.Command("go", "build", "-o", "small", ".")
	command.Dir = dir
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := command.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	info, err := Read(filepath.Join(dir, "small"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info).To(Equal(Info{Version: "devel", Go: runtime.Version(), Platform: "linux/amd64", Static: true}))

	shell, err := filepath.EvalSymlinks("/bin/sh")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(static(shell)).To(BeFalse())
}

func TestOnlyACommittedVersionNamesOneSource(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Clean("v0.0.0-20261124181700-55d6476abcde")).To(BeTrue())
	g.Expect(Clean("v1.2.3")).To(BeTrue())
	for _, version := range []string{"", "devel", "v1.2.3+dirty"} {
		g.Expect(Clean(version)).To(BeFalse(), version)
	}
}

func TestWhatIsNoProgram(t *testing.T) {
	g := NewWithT(t)
	_, err := Read("buildinfo.go")
	g.Expect(err).To(MatchError(ContainSubstring("cannot read what buildinfo.go was built from")))
}
