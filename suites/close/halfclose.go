package close

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("close", func() {
	ItOnEitherSide("goes on receiving whatever the other side has to say, and answers with nothing but acknowledgements",
		Claim("close/half-close-receives"), func(ctx SpecContext, closer, peer *End) {
			shut := closer.Shutdown(ctx)
			Expect(peer.Read(ctx)).To(ReachEOF())

			for _, word := range []string{"this", "may", "take", "time"} {
				peer.Write(ctx, word)
				Expect(closer.Read(ctx)).To(Deliver(word))
			}
			peer.Acknowledged(ctx)
			Expect(closer.State()).To(Equal(socket.FinWait2))
			Expect(peer.State()).To(Equal(socket.CloseWait))
			Expect(closer.Wire(ctx).Since(shut)).To(ShowOnly(
				FIN().From(closer), ACK().From(closer), ACK().From(peer), Data().From(peer)))
			peer.Close(ctx)
			Expect(closer.Read(ctx)).To(ReachEOF())
			closer.Reaches(ctx, socket.TimeWait)
			Observe("state", socket.FinWait2)
			Observe("other_state", socket.CloseWait)
			Observe("bytes_delivered", len("thismaytaketime"))
		})

	It("refuses to write what could not be sent behind a FIN",
		Claim("close/half-close-write-epipe"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			shut := closer.Shutdown(ctx)
			closer.SeesFinAcknowledged(ctx)

			outcome := closer.TryWrite(ctx, "one more thing")

			Expect(outcome).To(FailWith(unix.EPIPE))
			Expect(closer.Wire(ctx).Since(shut)).To(ShowExactly(FIN().From(closer), ACK().From(peer)))
			Expect(closer.State()).To(Equal(socket.FinWait2))
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	It("finds the peer dead by keepalive where nothing else would",
		Claim("close/half-close-keepalive"), Case("FIN-WAIT-2"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			closer.Shutdown(ctx)
			closer.SeesFinAcknowledged(ctx)
			closer.Reaches(ctx, socket.FinWait2)
			expectFoundDead(ctx, closer, peer)
		})

	It("finds the side that closed first dead by keepalive",
		Claim("close/half-close-keepalive"), Case("CLOSE-WAIT"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			closer.Shutdown(ctx)
			closer.SeesFinAcknowledged(ctx)
			peer.Reaches(ctx, socket.CloseWait)
			expectFoundDead(ctx, peer, closer)
		})
})

// expectFoundDead switches keepalive on at one end of a half-closed connection and takes the path to
// the other away.
func expectFoundDead(ctx SpecContext, survivor, dead *End) {
	survivor.Host.Blackhole(dead.Host, lab.All)
	asked := survivor.KeepAlive(ctx)
	model := survivor.Keepalive()

	found := survivor.GoneIn(ctx, asked, model.Detection())

	Expect(survivor.PendingError(ctx)).To(Equal(unix.ETIMEDOUT))
	since := survivor.Wire(ctx).Since(asked)
	probes := KeepaliveProbe().From(survivor).In(since)
	Expect(probes).To(HaveLen(model.Count))
	for i, window := range model.Probes() {
		Expect(probes[i].At - asked).To(FallIn(window))
	}
	Expect(survivor.Counted("TCPAbortOnTimeout")).To(Equal(1), "TCPAbortOnTimeout")
	Observe("detected_after", found)
	Observe("errno", unix.ErrnoName(unix.ETIMEDOUT))
	Observe("probes", len(probes))
}
