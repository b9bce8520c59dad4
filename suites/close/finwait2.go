package close

import (
	"fmt"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("close", func() {
	It("waits for the peer's FIN as long as the application keeps the socket, with no timer armed",
		Claim("close/fin-wait2-held-no-timeout"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			silence := closer.FinWait2().Gone().Ceiling * 3 / 2

			shut := closer.Shutdown(ctx)
			closer.SeesFinAcknowledged(ctx)
			Elapse(ctx, silence)

			now := closer.Snapshot()
			Expect(now.State).To(Equal(socket.FinWait2))
			Expect(now.Orphaned()).To(BeFalse())
			Expect(now.Timer).To(Equal(socket.Timer{}), "no timer is armed")
			Expect(peer.State()).To(Equal(socket.CloseWait))
			Expect(closer.Wire(ctx).Since(shut)).To(ShowExactly(FIN().From(closer), ACK().From(peer)))
			Observe("silent_for", silence)
			Observe("state", now.State)
			Observe("timer", now.Timer.Kind)
		})

	It("counts tcp_fin_timeout from the close, however long FIN_WAIT2 has lasted before it",
		Claim("close/fin-wait2-clock-starts-at-close"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			model := closer.FinWait2()

			shut := closer.Shutdown(ctx)
			closer.SeesFinAcknowledged(ctx)
			Elapse(ctx, model.Gone().Ceiling/2)
			closed := closer.Close(ctx)
			armed := closer.Snapshot()
			Expect(armed.Timer.Expires).To(FallIn(model.Armed(armed.At - closed)[0]))
			gone := closer.GoneIn(ctx, closed, model.Gone())

			Expect(closer.Wire(ctx).Since(shut)).To(ShowExactly(FIN().From(closer), ACK().From(peer)))
			Expect(peer.State()).To(Equal(socket.CloseWait))
			Observe("expired_after", gone)
			Observe("fin_timeout", model.Timeout)
		})

	for _, seconds := range []int{1, 3} {
		It(fmt.Sprintf("keeps the orphan for %d s where the application asked for that", seconds),
			Claim("close/fin-wait2-linger2"), Case("%d s", seconds), SpecPriority(seconds), func(ctx SpecContext) {
				client, server := Pair(ctx)
				closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
				closer.SetLinger2(ctx, seconds)
				model := closer.FinWait2()
				model.Timeout = time.Duration(seconds) * time.Second

				closed := closer.Close(ctx)
				acknowledged := closer.SeesFinAcknowledged(ctx)
				Expect(closer.Snapshot().State).To(Equal(socket.FinWait2))
				gone := closer.GoneIn(ctx, acknowledged, model.Gone())

				Expect(closer.Wire(ctx).Since(closed)).To(ShowExactly(FIN().From(closer), ACK().From(peer)))
				Observe("expired_after", gone)
				Observe("fin_timeout", closer.Timeouts().FinTimeout)
			})
	}

	It("resets the connection at the close, as the application wants no orphan",
		Claim("close/fin-wait2-linger2-negative"), Case("closed in FIN-WAIT-2"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			closer.SetLinger2(ctx, -1)
			closer.Shutdown(ctx)
			closer.SeesFinAcknowledged(ctx)
			closer.Reaches(ctx, socket.FinWait2)

			closed := closer.Close(ctx)

			rst := closer.Sees(ctx, RST().From(closer).Delivered())
			Expect(closer.State()).To(Equal(socket.Gone))
			peer.Reaches(ctx, socket.Gone)
			Expect(closer.Wire(ctx).Since(closed)).To(ShowExactly(RST().From(closer)))
			Expect(closer.Counted("TCPAbortOnLinger")).To(Equal(1), "TCPAbortOnLinger")
			Expect(peer.Read(ctx)).To(ReachEOF(), "the FIN came first")
			Expect(peer.TryWrite(ctx, "are you there?")).To(FailWith(unix.EPIPE))
			Observe("rst_after", rst.At-closed)
			Observe("aborts_on_linger", closer.Counted("TCPAbortOnLinger"))
		})

	It("resets the connection when the FIN is acknowledged after the close",
		Claim("close/fin-wait2-linger2-negative"), Case("closed before"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			closer.SetLinger2(ctx, -1)

			closed := closer.Close(ctx)

			rst := closer.Sees(ctx, RST().From(closer).Delivered())
			closer.Reaches(ctx, socket.Gone)
			peer.Reaches(ctx, socket.Gone)
			Expect(closer.Wire(ctx).Since(closed)).To(ShowExactly(FIN().From(closer), ACK().From(peer), RST().From(closer)))
			// This way in counts as data that was thrown away, though there was none.
			Expect(closer.Counted("TCPAbortOnData")).To(Equal(1), "TCPAbortOnData")
			Observe("rst_after", rst.At-closed)
			Observe("aborts_on_data", closer.Counted("TCPAbortOnData"))
		})

	It("is over after 2 s where tcp_fin_timeout is 61 s",
		Claim("close/fin-wait2-over-60-seconds"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			for _, host := range []*Host{client, server} {
				host.SetSysctl("net.ipv4.tcp_fin_timeout", 61)
			}
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			model := closer.FinWait2()

			closed := closer.Close(ctx)
			acknowledged := closer.SeesFinAcknowledged(ctx)
			first := closer.Snapshot()
			Expect(first.Timer.Kind).To(Equal(socket.Keepalive), "the socket's own timer comes first")
			Expect(first.Timer.Expires).To(FallIn(model.Armed(first.At - acknowledged)[0]))
			gone := closer.GoneIn(ctx, acknowledged, model.Gone())

			Expect(gone).To(BeNumerically("<", model.Timeout/10))
			Expect(closer.Wire(ctx).Since(closed)).To(ShowExactly(FIN().From(closer), ACK().From(peer)))
			Observe("expired_after", gone)
			Observe("fin_timeout", model.Timeout)
			Observe("timer", first.Timer.Kind)
		})

	It("gives an orphan the minute that the kernel's tcp_fin_timeout is",
		Claim("close/fin-wait2-default"), SpecPriority(62), func(ctx SpecContext) {
			client, server := Pair(ctx)
			closer, peer := Connect(ctx, client, server).Split(ServerBreaks)
			model := closer.FinWait2()
			Expect(model.Timeout).To(Equal(60 * time.Second))

			closed := closer.Close(ctx)
			acknowledged := closer.SeesFinAcknowledged(ctx)
			gone := closer.GoneIn(ctx, acknowledged, model.Gone())

			Expect(peer.State()).To(Equal(socket.CloseWait))
			Expect(closer.Wire(ctx).Since(closed)).To(ShowExactly(FIN().From(closer), ACK().From(peer)))
			Expect(closer.Counted("OutRsts")).To(BeZero(), "RSTs counted")
			Observe("expired_after", gone)
			Observe("fin_timeout", model.Timeout)
		})
})
