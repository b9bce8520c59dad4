package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestTheQuickestExchangeDecides(t *testing.T) {
	g := NewWithT(t)
	const ms = time.Millisecond
	var c clock
	// The guest's clock is 1000 ms behind this one: two exchanges of 40 ms and 2 ms.
	c.add(2000*ms, 1039*ms, 2040*ms)
	c.add(3000*ms, 2001*ms, 3002*ms)
	at, give := c.here(2500 * ms)
	g.Expect(at).To(BeNumerically("~", 3500*ms, ms))
	g.Expect(give).To(BeNumerically("<=", ms))
	// A later, slow one makes nothing worse but by the drift.
	c.add(4000*ms, 3000*ms, 4500*ms)
	_, give = c.here(2500 * ms)
	g.Expect(give).To(BeNumerically("<", 2*ms))
}

func TestAClockThatStoodStillIsLearntAgain(t *testing.T) {
	g := NewWithT(t)
	const ms = time.Millisecond
	var c clock
	c.add(2000*ms, 1000*ms, 2000*ms)
	c.forget(8000 * ms)
	c.add(9000*ms, 3000*ms, 9000*ms)
	at, _ := c.here(4000 * ms)
	g.Expect(at).To(Equal(10000 * ms))
}

func TestWhatWasAskedBeforeTheClockStoodStillIsAnsweredAfterIt(t *testing.T) {
	g := NewWithT(t)
	const ms = time.Millisecond
	var c clock
	c.forget(8000 * ms)
	c.add(1000*ms, 3000*ms, 8100*ms) // a read that waited all the time
	at, give := c.here(3000 * ms)
	g.Expect(at).To(Equal(8050 * ms))
	g.Expect(give).To(Equal(50 * ms))
}

func TestWhatContradictsTheNewestIsOlderThanTheDrift(t *testing.T) {
	g := NewWithT(t)
	const ms = time.Millisecond
	var c clock
	c.add(1000*ms, 1000*ms, 1000*ms) // says that the clocks agree
	c.add(2000*ms, 1000*ms, 2000*ms) // says that the guest's is a second behind
	at, give := c.here(1500 * ms)
	g.Expect(at).To(Equal(2500 * ms))
	g.Expect(give).To(BeZero())
}

func TestNoStampStaysNone(t *testing.T) {
	g := NewWithT(t)
	var c clock
	c.add(1, 2, 3)
	at, _ := c.here(0)
	g.Expect(at).To(BeZero())
}
