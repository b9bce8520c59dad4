package reset

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("reset", func() {
	It("is what SOCK_DESTROY sends: ECONNABORTED for the process on this side, ECONNRESET for the other's",
		Claim("reset/destroy"), func(ctx SpecContext) {
			peer, target := connect(ctx)
			here, there := target.StartRead(), peer.StartRead()
			at := target.Destroy()

			Expect(here.Within(ctx, Soon)).To(FailWith(unix.ECONNABORTED))
			outcome := there.Within(ctx, Soon)
			Expect(outcome).To(FailWith(unix.ECONNRESET))
			Expect(target.Wire(ctx).Since(at)).To(ShowExactly(RST().From(target).WithSeq(1).Delivered()))
			for _, end := range []*End{target, peer} {
				Expect(end.State()).To(Equal(socket.Gone))
			}
			Observe("errno", unix.ErrnoName(unix.ECONNABORTED))
			Observe("next_errno", unix.ErrnoName(outcome.Errno))
			Observe("detected_after", outcome.At-at)
		})

	It("is not sent for a connection in TIME_WAIT, which SOCK_DESTROY ends in silence or not at all",
		Claim("reset/destroy-time-wait"), func(ctx SpecContext) {
			expected := Expected()
			peer, target := connect(ctx)
			target.Close(ctx)
			target.SeesFinAcknowledged(ctx)
			peer.Close(ctx)
			peer.Sees(ctx, FIN().From(peer).Delivered())
			target.Reaches(ctx, socket.TimeWait)
			peer.Reaches(ctx, socket.Gone)
			errno, at := target.TryDestroy()

			if expected == "refused" {
				Expect(errno).To(Equal(unix.EOPNOTSUPP))
				Expect(target.State()).To(Equal(socket.TimeWait))
			} else {
				Expect(errno).To(BeZero())
				Expect(target.State()).To(Equal(socket.Gone))
			}
			Expect(target.Wire(ctx).Since(at)).To(ShowExactly())
			Observe("state", target.State())
		})

	It("is sent for an orphan, or not, and what the orphan still had to deliver is gone",
		Claim("reset/destroy-orphan"), func(ctx SpecContext) {
			expected := Expected()
			client, server := Pair(ctx)
			peer, target := Connect(ctx, client, server, SmallWindow()).Split(ServerBreaks)
			closing := target.FillWindow(ctx)
			arrived := int(closing.ACK.RelAck) - 1
			target.Process.Kill()
			Expect(target.Snapshot().Orphaned()).To(BeTrue(), "no process holds it")
			at := target.Destroy()

			if expected == "rst" {
				peer.Sees(ctx, RST().From(target).Delivered())
				peer.Reaches(ctx, socket.Gone)
				Expect(peer.ReadAll(ctx, arrived)).To(DeliverFill(arrived))
				Expect(peer.Read(ctx)).To(FailWith(unix.ECONNRESET))
				Expect(target.State()).To(Equal(socket.Gone))
			} else {
				Expect(peer.ReadAll(ctx, arrived)).To(DeliverFill(arrived))
				reading := peer.StartRead()
				peer.Sees(ctx, ACK().From(peer).Open().After(at).Delivered())
				Elapse(ctx, closing.Model.Intervals(1)[0].Ceiling) // in which a probe would have come
				Expect(reading.Blocked(ctx)).To(BeTrue(), "the window is open and nothing comes")
				Expect(target.State()).To(Equal(socket.FinWait1))
			}
			resets := RST().From(target).In(target.Wire(ctx).Since(at))
			Observe("resets", len(resets))
			Observe("state", target.State())
			Observe("other_state", peer.State())
		})
})
