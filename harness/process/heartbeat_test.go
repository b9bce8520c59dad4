package process_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/internal/testhost"
	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process"
)

const (
	beatEvery = 100 * time.Millisecond
	beatMost  = 200 * time.Millisecond
)

// beating is a connection whose server asks and whose client answers, once the first answer is there.
func beating(t *testing.T) (client *process.Process, asking *process.Pending, c connection) {
	t.Helper()
	testhost.New(t)
	ctx := within(t, 20*time.Second)
	client = start(t, "client")
	c = connect(t, ctx, client, start(t, "server"), families[0])
	c.client.StartAnswering()
	return client, c.server.StartHeartbeat(process.Heartbeat{Every: beatEvery, Most: beatMost}), c
}

func TestHeartbeatsGoOnWhileTheyAreAnswered(t *testing.T) {
	g := NewWithT(t)
	client, asking, _ := beating(t)
	// Half an interval off the next heartbeat: a death with one unread would be a RST.
	g.Consistently(asking.Done(), 9*beatEvery/2).ShouldNot(BeClosed())

	_, err := client.Kill()
	g.Expect(err).NotTo(HaveOccurred())
	result, err := asking.Wait(within(t, 5*time.Second))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.EOF).To(BeTrue(), "a death ends them: %v", result)
	g.Expect(result.N).To(BeNumerically(">=", 2), "answers")
}

func TestAHeartbeatFindsAFrozenProcess(t *testing.T) {
	g := NewWithT(t)
	client, asking, _ := beating(t)
	g.Expect(client.Freeze()).To(Succeed())
	at := mono.Now()
	result, err := asking.Wait(within(t, 5*time.Second))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.Late).To(BeTrue(), "%v", result)
	g.Expect(result.String()).To(Equal("no answer to a heartbeat"))
	g.Expect(result.At - at).To(BeNumerically(">=", beatMost))
}

func TestAHeartbeatEndsWithAnErrno(t *testing.T) {
	g := NewWithT(t)
	_, asking, c := beating(t)
	g.Expect(c.client.SetLinger(within(t, time.Second), 0)).To(Succeed())
	g.Expect(c.client.Close(within(t, time.Second))).To(Succeed())
	result, err := asking.Wait(within(t, 5*time.Second))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.Errno).To(Equal(unix.ECONNRESET), "%v", result)
}

func TestAHeartbeatTakesNoOtherWordForAnAnswer(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 10*time.Second)
	c := connect(t, ctx, start(t, "client"), start(t, "server"), families[0])
	asking := c.server.StartHeartbeat(process.Heartbeat{Every: beatEvery, Most: beatMost})
	_, err := c.client.Read(ctx, 100)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = c.client.Write(ctx, []byte("alive 2\n"))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = asking.Wait(ctx)
	g.Expect(err).To(MatchError(ContainSubstring("no part of the heartbeat protocol")))
}
