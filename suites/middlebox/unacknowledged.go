package middlebox

import (
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("middlebox", func() {
	It("keeps a connection with unacknowledged data for minutes and no longer for days, until it is acknowledged",
		Claim("middlebox/unacknowledged-timeout"), SpecPriority(1), func(ctx SpecContext) {
			client, router, server := RoutedPairAsShipped(ctx)
			router.Firewall()
			timeouts := router.Conntrack()
			conn := Connect(ctx, client, server)
			Expect(router.Life(ctx, conn)).To(BeSetTo(timeouts.Established))

			answers := server.Blackhole(client, lab.ACKs)
			model := conn.Client.Retransmission()
			conn.Client.Write(ctx, "still there?")
			conn.Client.SeesByTimeout(ctx, model, 1)
			life := router.Life(ctx, conn)
			Expect(life).To(BeSetTo(timeouts.Unacknowledged))
			Expect(life.Entry.State).To(Equal(lab.EntryEstablished))

			answers.Remove()
			conn.Client.SeesByTimeout(ctx, model, 2)
			conn.Client.Acknowledged(ctx)
			Expect(router.Life(ctx, conn)).To(BeSetTo(timeouts.Established))
			Observe("entry_timeout", timeouts.Unacknowledged)
		})

	It("forgets a connection that nobody answers so long after the sender has fallen silent",
		Claim("middlebox/unanswered-entry-expires"), SpecPriority(9), func(ctx SpecContext) {
			client, router, server := RoutedPair(ctx)
			router.Firewall()
			timeout := router.ForgetUnansweredSoon(5 * time.Second)
			conn := Connect(ctx, client, server)
			server.Blackhole(client, lab.All)
			model, reading := conn.Client.Retransmission(), conn.Client.StartRead()
			written := conn.Client.Write(ctx, "still there?")
			aborted := reading.Within(ctx, model.AbortAfterWrite().Ceiling+Soon)

			Expect(aborted).To(FailWith(unix.ETIMEDOUT))
			sent := Either(Data(), Retransmission()).From(client).In(conn.Wire(ctx).Since(written))
			Expect(sent).To(ShowNone(AnySegment().DroppedBy(router)), "each copy has kept the entry")
			expired := router.Expire(ctx, conn, timeout)
			Observe("expired_after", expired)
			Observe("aborted_after", aborted.At-written)
			Observe("entry_timeout", timeout)
		})
})
