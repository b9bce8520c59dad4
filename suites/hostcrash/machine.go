package hostcrash

import (
	"context"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// crashAndReturn is a crash after which the machine boots again by itself, while the survivor has something to
// say: nothing but copies of that on the wire, and a RST for the first that finds the machine back.
func crashAndReturn(ctx context.Context, crash func(*Host) time.Duration) {
	client, server := Pair(ctx)
	broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
	survivor.Host.PinNeighbour(broken.Host)
	keepTrying(survivor)
	reading := survivor.StartRead()

	died := crash(broken.Host)
	written := survivor.Write(ctx, "are you there?")
	back := broken.Host.Return()
	outcome := reading.Within(ctx, UntilNextCopy(written))

	Expect(outcome).To(FailWith(unix.ECONNRESET))
	wire := survivor.Wire(ctx).Since(died)
	Expect(wire).To(ShowExactly(append(copies(survivor, len(wire.Segments())-1), RST().From(broken).Delivered())...))
	Observe("back_after", back-died)
	Observe("detected_after", outcome.At-died)
	Observe("errno", unix.ErrnoName(outcome.Errno))
}

// Deaths that a network namespace cannot die: these hosts are machines with kernels of their own.

var _ = Story("host-crash", func() {
	It("says nothing when its kernel panics, and answers the survivor with a RST once it has booted again",
		Claim("host-crash/panic-restart-rst"), SpecPriority(8), func(ctx SpecContext) {
			crashAndReturn(ctx, (*Host).Panic)
		})

	It("leaves a survivor that keeps asking to its own timeout when its kernel panics and stays that way, power and carrier and all",
		Claim("host-crash/panic-keepalive"), SpecPriority(8), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			survivor.Host.PinNeighbour(broken.Host)
			idleSince := survivor.KeepAlive(ctx)
			model := survivor.Keepalive()
			reading := survivor.StartRead()

			died := broken.Host.PanicForGood()
			outcome := reading.Within(ctx, model.Detection().Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			Expect(outcome.At - idleSince).To(FallIn(model.Detection()))
			wire := survivor.Wire(ctx).Since(died)
			Expect(wire).To(ShowNone(AnySegment().From(broken)))
			Expect(wire).To(ShowTimes(model.Count, KeepaliveProbe().From(survivor).Delivered()))
			Observe("detected_after", outcome.At-died)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	It("forgets in a reset, without a word, and answers the survivor with a RST once it has booted again",
		Claim("host-crash/hard-reset-rst"), SpecPriority(8), func(ctx SpecContext) {
			crashAndReturn(ctx, (*Host).Reset)
		})

	It("ends its processes first in an orderly restart, so that the survivor reads end of file before the host is gone",
		Claim("host-crash/restart-fin"), SpecPriority(8), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			reading := survivor.StartRead()

			began := broken.Host.Restart()
			outcome := reading.Within(ctx, Soon)

			Expect(outcome).To(ReachEOF())
			Expect(survivor.State()).To(Equal(socket.CloseWait))
			Expect(survivor.Wire(ctx).Since(began)).To(ShowExactly(FIN().From(broken).Delivered(), ACK().From(survivor)))
			back := broken.Host.Return()
			Expect(outcome.At).To(BeNumerically("<", back), "end of file comes before the host is back")
			Observe("detected_after", outcome.At-began)
			Observe("back_after", back-began)
		})

	It("knows nothing, after an orderly restart, of the half of the connection that was left open",
		Claim("host-crash/restart-rst"), SpecPriority(8), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			broken.Host.Restart()
			Expect(survivor.Read(ctx)).To(ReachEOF())
			back := broken.Host.Return()

			written := survivor.Write(ctx, "one thing more")
			survivor.Sees(ctx, RST().From(broken).Delivered())
			Expect(survivor.Wire(ctx).Since(back)).To(ShowExactly(Data().From(survivor).Delivered(), RST().From(broken).Delivered()))
			Expect(survivor.State()).To(Equal(socket.Gone))
			next := survivor.TryWrite(ctx, "hello?")
			Expect(next).To(FailWith(unix.EPIPE))
			Observe("resets", len(RST().In(survivor.Wire(ctx).Since(written))))
			Observe("next_errno", unix.ErrnoName(next.Errno))
		})

	It("loses nothing when it hangs, with its clock, for less than the survivor's patience",
		Claim("host-crash/pause-survives"), SpecPriority(8), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			survivor.Host.PinNeighbour(broken.Host)
			model := survivor.Retransmission()
			atBroken, atSurvivor := broken.StartRead(), survivor.StartRead()

			paused := broken.Host.Pause()
			survivor.Write(ctx, "are you there?")
			survivor.SeesByTimeout(ctx, model, 3)
			Expect(survivor.Wire(ctx).Since(paused)).To(ShowNone(AnySegment().From(broken)))
			resumed := broken.Host.Resume()

			outcome := atBroken.Within(ctx, model.AbortAfterWrite().Ceiling)
			Expect(outcome).To(Deliver("are you there?"))
			Expect(outcome.At+outcome.Give).To(BeNumerically(">", resumed), "the clock stood still, and lies by no more than it says")
			broken.Write(ctx, "I was away")
			Expect(atSurvivor.Within(ctx, Soon)).To(Deliver("I was away"))
			for _, end := range []*End{broken, survivor} {
				Expect(end.State()).To(Equal(socket.Established))
				Expect(end.PendingError(ctx)).To(BeZero())
			}
			Expect(survivor.Wire(ctx).Since(paused)).To(ShowNone(Either(RST(), FIN())))
			Observe("silent_for", resumed-paused)
			Observe("delivered_after", outcome.At-resumed)
		})
})
