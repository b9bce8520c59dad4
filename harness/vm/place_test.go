package vm

import (
	"context"
	"os/exec"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

func TestGuestsAreSpreadOverTheProcessors(t *testing.T) {
	g := NewWithT(t)
	first, anywhere, leave, err := place()
	g.Expect(err).NotTo(HaveOccurred())
	defer leave()
	if anywhere.Count() < 2 {
		t.Skip("this process has a single processor")
	}
	second, _, leave, err := place()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect([]int{first.Count(), second.Count()}).To(Equal([]int{1, 1}))
	g.Expect(second).NotTo(Equal(first))
	leave()
	again, _, leave, err := place()
	g.Expect(err).NotTo(HaveOccurred())
	defer leave()
	g.Expect(again).To(Equal(second), "who has left makes room")
}

// busy is a process that keeps to a processor and needs all of it.
func busy(t *testing.T, on unix.CPUSet) (pid int) {
	command := exec.Command("sh", "-c", "while :; do :; done")
	_, err := launch(command, on)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = command.Process.Kill() })
	return command.Process.Pid
}

func TestAGuestWhoseProcessorIsTakenMayGoElsewhere(t *testing.T) {
	g := NewWithT(t)
	here, anywhere, leave, err := place()
	g.Expect(err).NotTo(HaveOccurred())
	defer leave()
	if anywhere.Count() < 2 {
		t.Skip("this process has a single processor")
	}
	guest := busy(t, here)
	var now unix.CPUSet
	g.Expect(unix.SchedGetaffinity(guest, &now)).To(Succeed())
	g.Expect(now).To(Equal(here))

	busy(t, here)
	busy(t, here)
	share(context.Background(), guest, anywhere) // returns once it has let it go
	g.Expect(unix.SchedGetaffinity(guest, &now)).To(Succeed())
	g.Expect(now).To(Equal(anywhere))
}
