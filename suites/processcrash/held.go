package processcrash

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// longEnough is the time in which a FIN would have come if the descriptor had been closed.
func longEnough() timing.Window { return timing.Death().Plus(RealClockSlack) }

var _ = Story("process-crash", func() {
	It("finishes the dead process's sentence before it says goodbye",
		Claim("process-crash/orphan-delivers-pending-data"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			// The survivor's window is a fraction of what the other end's kernel takes in advance.
			smallWindow := process.SockOpt(unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<10)
			broken, survivor := Connect(ctx, client, server, smallWindow).Split(ServerBreaks)
			written := broken.Fill(ctx)

			death := broken.Process.Kill()
			orphan := broken.Snapshot()
			Expect(orphan.State).To(Equal(socket.FinWait1))
			Expect(orphan.Inode).To(BeZero())
			Expect(orphan.SendQueue).NotTo(BeZero())

			outcome := survivor.ReadAll(ctx, written+1)
			Expect(outcome).To(ReachEOF())
			Expect(outcome).To(DeliverFill(written))
			Expect(survivor.Wire(ctx).Since(death.At)).To(ShowInOrder(
				Data().From(broken).Delivered(),
				FIN().From(broken).That("behind the last byte", func(s wire.Segment) bool {
					return s.RelSeq+uint32(s.Len) == uint32(1+written)
				}).Delivered()))
			Observe("bytes_delivered", outcome.N)
			Observe("eof_after", outcome.At-death.At)
		})

	It("keeps the connection open as long as anybody holds the descriptor",
		Claim("process-crash/forked-child-delays-fin"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			reading := survivor.StartRead()
			child := broken.Fork(ctx)

			death := broken.Process.Kill()
			Elapse(ctx, longEnough().Ceiling)
			Expect(survivor.Wire(ctx).Since(death.At)).To(ShowExactly())
			Expect(broken.State()).To(Equal(socket.Established))
			Expect(reading.Blocked(ctx)).To(BeTrue())

			exit := child.Exit(ctx)
			outcome := reading.Within(ctx, Soon)
			Expect(outcome).To(ReachEOF())
			fin := survivor.Sees(ctx, FIN().From(broken).Delivered())
			Expect(fin.At - exit).To(FallIn(timing.Death()))
			Observe("silent_for", exit-death.At)
			Observe("fin_after", fin.At-exit)
			Observe("eof_after", outcome.At-exit)
		})

	ItOnEitherSide("cannot be told from a healthy process that has nothing to say",
		Claim("process-crash/frozen-closes-nothing"), func(ctx SpecContext, broken, survivor *End) {
			reading := survivor.StartRead()
			frozen := broken.Process.Freeze()

			Elapse(ctx, longEnough().Ceiling)
			Expect(survivor.Wire(ctx).Since(frozen)).To(ShowExactly())
			Expect(broken.State()).To(Equal(socket.Established))
			Expect(survivor.State()).To(Equal(socket.Established))
			Expect(broken.Snapshot().Orphaned()).To(BeFalse())
			Expect(reading.Blocked(ctx)).To(BeTrue())
			Observe("state", survivor.State())
			Observe("other_state", broken.State())

			broken.Process.Thaw()
			broken.Write(ctx, "where was I?")
			Expect(reading.Within(ctx, Soon)).To(Deliver("where was I?"))
		})

	It("acknowledges data that its process is in no state to read",
		Claim("process-crash/frozen-kernel-acks"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			broken.Process.Freeze()

			written := survivor.Write(ctx, "are you there?")

			survivor.Sees(ctx, ACK().From(broken).WithAck(uint32(1+len("are you there?"))).Delivered())
			Expect(survivor.Wire(ctx).Since(written)).To(ShowExactly(Data().From(survivor), ACK().From(broken)))
			now := survivor.Snapshot()
			Expect(now.SendQueue).To(BeZero(), "for the survivor everything has arrived")
			Expect(now.Timer.Kind).To(Equal(socket.NoTimer))
			Expect(broken.Snapshot().ReceiveQueue).To(BeEquivalentTo(len("are you there?")))
			Observe("timer", now.Timer.Kind)

			broken.Process.Thaw()
			Expect(broken.Read(ctx)).To(Deliver("are you there?"))
		})
})
