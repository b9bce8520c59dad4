package machine

import (
	"context"
	"io"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/kernel"
)

// line is a control line with a machine's own side at its far end.
func line(t *testing.T) (c *client, far *os.File) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, far := os.NewFile(uintptr(pair[0]), "near"), os.NewFile(uintptr(pair[1]), "far")
	t.Cleanup(func() { near.Close(); far.Close() })
	return newClient(near), far
}

func TestNothingCanBeAskedForBeforeTheGreeting(t *testing.T) {
	g := NewWithT(t)
	c, far := line(t)
	go func() { _ = Serve(far) }()
	_, err := ask[kernel.Info](t.Context(), c, kernelOf, nil)
	g.Expect(err).To(MatchError("the machine is not up yet"))
	g.Expect(c.begin(t.Context())).To(Succeed())
	info, err := ask[kernel.Info](t.Context(), c, kernelOf, nil)
	g.Expect(err).NotTo(HaveOccurred())
	running, err := kernel.Running()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info).To(Equal(running))
}

// half is a reader that ends after so many lines, as PID 1 does in a crash.
func half(from io.Reader, lines int) io.Reader {
	r, w := io.Pipe()
	go func() {
		one := make([]byte, 1)
		for lines > 0 {
			if _, err := from.Read(one); err != nil {
				break
			}
			if one[0] == '\n' {
				lines--
			}
			_, _ = w.Write(one)
		}
		w.Close()
	}()
	return r
}

func TestANewLifeHearsNothingOfTheOldOne(t *testing.T) {
	g := NewWithT(t)
	c, far := line(t)
	// Two newlines for each greeting.
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(struct {
			io.Reader
			io.Writer
		}{half(far, 2*exchanges), far})
	}()
	g.Expect(c.begin(t.Context())).To(Succeed())
	g.Eventually(ended).Should(Receive(MatchError(io.ErrUnexpectedEOF)))

	// Asked of a machine that has crashed and not yet been missed; half a line of its own lies there too.
	lost := make(chan error, 1)
	c.send(kernelOf, nil, func(_ answer, err error) { lost <- err })
	_, err := far.Write([]byte(`{"life":1,"id":99,"at":`))
	g.Expect(err).NotTo(HaveOccurred())

	go func() { _ = Serve(far) }()
	g.Expect(c.begin(t.Context())).To(Succeed())
	g.Expect(lost).To(Receive(MatchError("the machine has restarted")))
	_, err = ask[kernel.Info](t.Context(), c, kernelOf, nil)
	g.Expect(err).NotTo(HaveOccurred())
}

func TestWhatIsUnderWayFailsWithItsLife(t *testing.T) {
	g := NewWithT(t)
	c, far := line(t)
	go func() { _ = Serve(far) }()
	g.Expect(c.begin(t.Context())).To(Succeed())
	failed := make(chan error, 1)
	c.send(awaitProcess, 1, func(_ answer, err error) { failed <- err })
	g.Eventually(failed).Should(Receive(MatchError("there is no process 1")))

	far.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	g.Eventually(func() error {
		_, err := ask[kernel.Info](ctx, c, kernelOf, nil)
		return err
	}).Should(MatchError(Or(ContainSubstring("no power"), ContainSubstring("broken"))))
}
