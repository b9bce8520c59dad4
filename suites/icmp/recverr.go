package icmp

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
)

var _ = Story("icmp", func() {
	for _, each := range []struct {
		report lab.ICMPError
		v4, v6 unix.Errno
	}{
		{lab.HostUnreachable, unix.EHOSTUNREACH, unix.EHOSTUNREACH},
		{lab.PortUnreachable, unix.ECONNREFUSED, unix.ECONNREFUSED},
		{lab.AdminProhibited, unix.EHOSTUNREACH, unix.EACCES},
	} {
		It("wakes the reader with "+each.report.String()+" when it arrives",
			Claim("icmp/recverr-tells-at-once"), Case("%s", each.report), func(ctx SpecContext) {
				client, server := Pair(ctx)
				broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
				survivor.HearOfErrors(ctx, true)
				reading := survivor.StartRead()

				lost := loseAWrite(ctx, survivor, broken, "are you there?")
				told := survivor.IsTold(ctx, each.report, lost.segment)
				outcome := reading.Within(ctx, Soon)

				Expect(outcome).To(FailWith(byFamily(each.v4, each.v6)))
				Expect(outcome.At - told).To(FallIn(timing.BeforeAnyTimer()))
				Expect(survivor.State()).To(Equal(socket.Established))
				Observe("detected_after", outcome.At-told)
				Observe("errno", unix.ErrnoName(outcome.Errno))
			})
	}

	It("reads and writes after the error as if there had been none",
		Claim("icmp/recverr-survives"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			survivor.HearOfErrors(ctx, true)
			reading := survivor.StartRead()

			lost := loseAWrite(ctx, survivor, broken, "are you there?")
			survivor.IsTold(ctx, lab.PortUnreachable, lost.segment)
			Expect(reading.Within(ctx, Soon)).To(FailWith(unix.ECONNREFUSED))
			survivor.Write(ctx, " hello?")
			lost.path.Remove()

			Expect(broken.ReadAll(ctx, len("are you there? hello?"))).To(Deliver("are you there? hello?"))
			broken.Write(ctx, "yes")
			Expect(survivor.Read(ctx)).To(Deliver("yes"))
			Expect(survivor.State()).To(Equal(socket.Established))
			Expect(survivor.PendingError(ctx)).To(BeZero())
			Observe("state", survivor.State())
		})

	It("has nothing in the error queue of an established connection",
		Claim("icmp/recverr-queue-empty"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			survivor.HearOfErrors(ctx, true)
			reading := survivor.StartRead()

			lost := loseAWrite(ctx, survivor, broken, "are you there?")
			survivor.IsTold(ctx, lab.HostUnreachable, lost.segment)
			Expect(reading.Within(ctx, Soon)).To(FailWith(unix.EHOSTUNREACH))

			Expect(survivor.Queued(ctx)).To(Equal(process.Queued{}))
			Observe("state", survivor.State())
		})

	It("says ETIMEDOUT at the end, because what was told is not remembered",
		Claim("icmp/recverr-etimedout"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			survivor.HearOfErrors(ctx, true)
			model := survivor.Retransmission()
			reading := survivor.StartRead()

			lost := loseAWrite(ctx, survivor, broken, "are you there?")
			survivor.IsTold(ctx, lab.HostUnreachable, lost.segment)
			told := reading.Within(ctx, Soon)
			Expect(told).To(FailWith(unix.EHOSTUNREACH))
			outcome := survivor.StartRead().Within(ctx, model.AbortAfterWrite().Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			Expect(outcome.At - lost.written).To(FallIn(model.AbortAfterWrite()))
			Observe("aborted_after", outcome.At-lost.written)
			Observe("errno", unix.ErrnoName(told.Errno))
			Observe("next_errno", unix.ErrnoName(outcome.Errno))
		})

	It("tells nothing more once the option is cleared",
		Claim("icmp/recverr-switched-off"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			survivor.HearOfErrors(ctx, true)
			reading := survivor.StartRead()

			lost := loseAWrite(ctx, survivor, broken, "are you there?")
			survivor.IsTold(ctx, lab.HostUnreachable, lost.segment)
			Expect(reading.Within(ctx, Soon)).To(FailWith(unix.EHOSTUNREACH))
			survivor.HearOfErrors(ctx, false)
			reading = survivor.StartRead()
			survivor.IsTold(ctx, lab.HostUnreachable, lost.segment)

			Expect(reading.Blocked(ctx)).To(BeTrue())
			Expect(survivor.Wire(ctx).ICMPErrors()).To(HaveLen(2))
			Observe("state", survivor.State())
		})
})
