package icmp

import (
	"context"
	"strings"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// narrow is the MTU of a hop of the path: the least that IPv6 allows, for both families.
const narrow = 1280

// fullSegment is text for one segment of the size that the hosts agreed on.
func fullSegment(ctx context.Context, end *End) string {
	return strings.Repeat("x", end.Snapshot().Info.SendMSS)
}

var _ = Story("icmp", func() {
	It("sends the large segment again and again until it gives up, while small ones pass both ways",
		Claim("icmp/pmtu-silence-stalls"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			model := survivor.Retransmission()

			survivor.Host.Blackhole(broken.Host, lab.LargerThan(narrow))
			survivor.Write(ctx, "small")
			Expect(broken.Read(ctx)).To(Deliver("small"))
			survivor.Acknowledged(ctx)
			written := survivor.Write(ctx, fullSegment(ctx, survivor))
			lost := survivor.Sees(ctx, Data().From(survivor).After(written).Lost())
			broken.Write(ctx, "small too")
			Expect(survivor.Read(ctx)).To(Deliver("small too"))
			outcome := survivor.StartRead().Within(ctx, model.AbortAfterWrite().Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			Expect(outcome.At - written).To(FallIn(model.AbortAfterWrite()))
			Expect(Retransmission().From(survivor).Delivered().In(survivor.Wire(ctx))).To(BeEmpty())
			Expect(ACK().From(survivor).After(lost.At).Delivered().In(survivor.Wire(ctx))).NotTo(BeEmpty(), "its acknowledgements are small")
			Observe("aborted_after", outcome.At-written)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	It("finds the black hole when tcp_retries1 is past, and sends smaller segments from then on",
		Claim("icmp/pmtu-probing-recovers"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_mtu_probing", 1)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			model := survivor.Retransmission()
			threshold := model
			threshold.Retries2 = survivor.Timeouts().Retries1

			survivor.Host.Blackhole(broken.Host, lab.LargerThan(narrow))
			text := fullSegment(ctx, survivor)
			written := survivor.Write(ctx, text)
			first := survivor.SeesByTimeout(ctx, model, 1)
			small := survivor.SeesWithin(ctx, threshold.AbortAfterWrite().Ceiling+Soon, Retransmission().From(survivor).Delivered())

			Expect(small.At - first.At).To(FallIn(threshold.AbortAfterFirst()))
			Expect(broken.ReadAll(ctx, len(text))).To(Deliver(text))
			Expect(survivor.Acknowledged(ctx).Info.SendMSS).To(BeNumerically("<", narrow))
			Expect(survivor.State()).To(Equal(socket.Established))
			again := survivor.Write(ctx, text)
			Expect(broken.ReadAll(ctx, len(text))).To(Deliver(text))
			Expect(survivor.Wire(ctx).Since(again)).To(ShowNone(Either(Data(), Retransmission()).Lost()))
			Observe("delivered_after", small.At-written)
			Observe("segment_size", survivor.Snapshot().Info.SendMSS)
		})

	It("sends again at once, in segments that fit, when a router tells the size that does",
		Claim("icmp/pmtu-told-adapts"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)

			survivor.Host.Blackhole(broken.Host, lab.LargerThan(narrow))
			text := fullSegment(ctx, survivor)
			written := survivor.Write(ctx, text)
			lost := survivor.Sees(ctx, Data().From(survivor).After(written).Lost())
			told := survivor.IsTold(ctx, lab.TooBig(narrow), lost)
			fits := survivor.Sees(ctx, Retransmission().From(survivor).Delivered())

			Expect(fits.At - told).To(FallIn(survivor.Host.AtOnce()))
			Expect(broken.ReadAll(ctx, len(text))).To(Deliver(text))
			info := survivor.Acknowledged(ctx).Info
			Expect(info.PMTU).To(Equal(narrow))
			Expect(info.SendMSS).To(BeNumerically("<", narrow))
			Expect(survivor.PendingError(ctx)).To(BeZero())
			Observe("first_retransmission_after", fits.At-told)
			Observe("segment_size", info.SendMSS)
		})
})
