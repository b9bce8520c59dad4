package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/report"
)

// Both kernels are booted, whatever baselines there are; the second run is as the first was.
func TestAnUpgradeIsToldByBootingBothKernels(t *testing.T) {
	g := NewWithT(t)
	bootable(t, "debian:6.1", "debian:6.12")
	out := filepath.Join(t.TempDir(), "out")
	compare := exec.Command(command(t), "compare", "debian:6.1", "debian:6.12", "--fresh", "--only", "open/syn-ladder", "--out", out)
	compare.Stderr = os.Stderr
	text, err := compare.Output()
	var exit *exec.ExitError
	g.Expect(errors.As(err, &exit)).To(BeTrue(), string(text))
	g.Expect(exit.ExitCode()).To(Equal(1))
	for _, said := range []string{
		"1 claim changed: 1 kept in another way; 2 verdicts compared",
		"syns: 7 -> 11",
		"An application learns of the end up to",
		"6.1 doubles the interval of one second each time.",
		"[2] in 6.5",
		"net.ipv4.tcp_syn_linear_timeouts: none -> 4",
	} {
		g.Expect(string(text)).To(ContainSubstring(said))
	}
	after, err := report.Load(filepath.Join(out, "debian-6.12"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(after.Kernel.Name).To(Equal("debian:6.12"))
	g.Expect(after.Profile).To(Equal("defaults"))
	g.Expect(after.Halfopen).NotTo(BeEmpty())
}
