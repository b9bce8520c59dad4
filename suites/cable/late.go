package cable

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

var _ = Story("cable", func() {
	It("answers the other side's first write with a RST, once the connection is only the other side's",
		Claim("cable/late-replug-rst"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			unplugged := giveUp(ctx, survivor, broken)
			Expect(survivor.Wire(ctx).Since(unplugged)).To(ShowNone(RST()), "giving up is no farewell")

			broken.Host.Replug()
			Expect(broken.State()).To(Equal(socket.Established))
			written := broken.Write(ctx, "I am back")
			rst := broken.Sees(ctx, RST().From(survivor).Delivered())

			exchange := broken.Wire(ctx).Since(written)
			Expect(exchange).To(ShowExactly(Data().From(broken).Delivered(), RST().From(survivor).Delivered()))
			Expect(rst.Seq).To(Equal(exchange.Segments()[0].Ack), "RFC 9293 3.5.2: the RST takes its number from the segment's ACK field")
			Expect(survivor.Counted("OutRsts")).To(Equal(1))
			// From the segment and not from the write: it may wait for the survivor's address to be asked for again.
			Observe("rst_after", rst.At-exchange.Segments()[0].At)
		})

	It("fails the other side's read with ECONNRESET, and every write after it with EPIPE",
		Claim("cable/late-replug-econnreset"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			reading := broken.StartRead()
			giveUp(ctx, survivor, broken)

			broken.Host.Replug()
			Expect(reading.Blocked(ctx)).To(BeTrue(), "nothing has told it yet")
			written := broken.Write(ctx, "I am back")

			outcome := reading.Within(ctx, Soon)
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Expect(broken.State()).To(Equal(socket.Gone))
			next := broken.TryWrite(ctx, "hello?")
			Expect(next).To(FailWith(unix.EPIPE))
			// From the segment and not from the write, as above.
			data := broken.Wire(ctx).Since(written).Segments()[0]
			Observe("detected_after", outcome.At-data.At)
			Observe("errno", unix.ErrnoName(outcome.Errno))
			Observe("next_errno", unix.ErrnoName(next.Errno))
		})
})

// giveUp leaves the other side's cable out until the survivor has given up what it wrote.
func giveUp(ctx context.Context, survivor, broken *End) (unplugged time.Duration) {
	survivor.Host.PinNeighbour(broken.Host) // tcp_retries2 decides, with the kernel's defaults as well
	model := survivor.Retransmission()
	reading := survivor.StartRead()

	unplugged = broken.Host.Unplug()
	written := survivor.Write(ctx, "are you there?")
	outcome := reading.Within(ctx, model.AbortAfterWrite().Ceiling+RealClockSlack)
	Expect(outcome).To(FailWith(unix.ETIMEDOUT))
	Expect(outcome.At - written).To(FallIn(model.AbortAfterWrite()))
	Expect(survivor.State()).To(Equal(socket.Gone))
	return unplugged
}
