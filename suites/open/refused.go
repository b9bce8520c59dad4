package open

import (
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/mono"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("open", func() {
	It("is answered with a RST where nobody listens, and says so",
		Claim("open/refused"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			serving := server.StartProcess()
			listener := serving.Listen(ctx)
			serving.Kill()
			caller := client.StartProcess()

			_, outcome := caller.TryDial(ctx, listener, Soon)

			Expect(outcome).To(FailWith(unix.ECONNREFUSED))
			connecting := caller.WireTo(ctx, listener)
			Expect(connecting).To(ShowExactly(SYN().From(client), RST().From(server).WithAck(1)))
			Expect(outcome.At - connecting.Segments()[0].At).To(FallIn(timing.Prompt()))
			Observe("detected_after", outcome.At-connecting.Segments()[0].At)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	for _, each := range []struct {
		answer     lab.Answer
		ipv4, ipv6 unix.Errno
	}{
		{lab.WithHostUnreachable, unix.EHOSTUNREACH, unix.EHOSTUNREACH},
		{lab.WithNetworkUnreached, unix.ENETUNREACH, unix.ENETUNREACH},
		{lab.WithPortUnreachable, unix.ECONNREFUSED, unix.ECONNREFUSED},
		{lab.WithAdminProhibited, unix.EHOSTUNREACH, unix.EACCES},
	} {
		It("gives up at the first "+each.answer.String()+", though the next SYN might get through",
			Claim("open/icmp-fails-connect"), Case("%s", each.answer), SpecPriority(1), func(ctx SpecContext) {
				client, server := Pair(ctx)
				listener := server.StartProcess().Listen(ctx)
				server.FirewallRejecting(each.answer)
				expected := each.ipv4
				if client.Address().Is6() {
					expected = each.ipv6
				}

				// On a path without length the answer to the SYN itself can be there before connect(2) has let go of
				// the socket, and is put by for the next timeout then: sock_owned_by_user. So it is a copy's that is seen.
				hole := client.Blackhole(server, lab.SYNs)
				dialing := client.StartProcess().StartDial(ctx, listener)
				dialing.Sees(ctx, Soon, SYN().From(client))
				hole.Remove()
				_, outcome := dialing.Within(ctx, Soon)

				Expect(outcome).To(FailWith(expected))
				connecting := dialing.Wire(ctx)
				Expect(connecting).To(ShowExactly(SYN().From(client).Lost(), Retransmission().From(client).Delivered()))
				Expect(connecting.ICMPErrors()).To(HaveLen(1))
				refused := connecting.ICMPErrors()[0].At
				Expect(outcome.At - refused).To(FallIn(timing.Prompt()))
				Observe("detected_after", outcome.At-refused)
				Observe("errno", unix.ErrnoName(outcome.Errno))
			})
	}

	It("fails before anything is sent where no route leads to the address",
		Claim("open/no-route"), func(ctx SpecContext) {
			client, _ := Pair(ctx)
			caller := client.StartProcess()

			outcome := caller.TryDialNowhere(ctx, Soon)

			Expect(outcome).To(FailWith(unix.ENETUNREACH))
			Expect(client.SentSegments(ctx)).To(BeZero())
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})

	It("fails when address resolution does, where nobody answers for the address",
		Claim("open/unresolved"), SpecPriority(2), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.ResolveWithin(InProfile(1500*time.Millisecond, time.Minute))
			listener := server.StartProcess().Listen(ctx)
			caller := client.StartProcess()
			server.PowerOff()
			client.ForgetNeighbours()
			window := client.Resolution().Failure()
			began := mono.Now()

			_, outcome := caller.TryDial(ctx, listener, window.Ceiling+Soon)

			Expect(outcome).To(FailWith(unix.EHOSTUNREACH))
			asked := client.AskedFor(ctx, server, began)
			Expect(outcome.At - asked).To(FallIn(window))
			Expect(caller.WireTo(ctx, listener)).To(ShowNone(AnySegment()))
			Observe("detected_after", outcome.At-asked)
			Observe("errno", unix.ErrnoName(outcome.Errno))
		})
})
