package icmp

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("icmp", func() {
	for _, each := range []struct {
		report lab.ICMPError
		v4, v6 unix.Errno
	}{
		{lab.NetworkUnreachable, unix.ENETUNREACH, unix.ENETUNREACH},
		{lab.HostUnreachable, unix.EHOSTUNREACH, unix.EHOSTUNREACH},
		{lab.AdminProhibited, unix.EHOSTUNREACH, unix.EACCES},
		{lab.ProtocolUnreachable, unix.ENOPROTOOPT, unix.EPROTO},
		{lab.PortUnreachable, unix.ECONNREFUSED, unix.ECONNREFUSED},
		{lab.TimeExceeded, unix.EHOSTUNREACH, unix.EHOSTUNREACH},
		{lab.ParameterProblem, unix.EPROTO, unix.EPROTO},
	} {
		It("fails connect(2) with the errno of "+each.report.String()+" after one SYN",
			Claim("icmp/connect-fails-at-once"), Case("%s", each.report), func(ctx SpecContext) {
				client, server := Pair(ctx)
				listener := server.StartProcess().Listen(ctx)
				caller := client.StartProcess()

				client.Blackhole(server, lab.SYNs)
				dialing := caller.StartDial(ctx, listener)
				told := client.IsTold(ctx, each.report, dialing.SYN(ctx))
				_, outcome := dialing.Within(ctx, Soon+client.Handshake().Abort().Ceiling)

				Expect(outcome).To(FailWith(byFamily(each.v4, each.v6)))
				Expect(outcome.At - told).To(FallIn(client.AtOnce()))
				Expect(caller.WireTo(ctx, listener)).To(ShowExactly(SYN().From(client).Lost()))
				Observe("detected_after", outcome.At-told)
				Observe("errno", unix.ErrnoName(outcome.Errno))
			})
	}

	It("leaves type, code and sender of the error in the error queue of the socket",
		Claim("icmp/connect-error-queue"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			listener := server.StartProcess().Listen(ctx)
			caller := client.StartProcess()

			client.Blackhole(server, lab.SYNs)
			dialing := caller.StartDial(ctx, listener, client.ICMPErrors())
			client.IsTold(ctx, lab.HostUnreachable, dialing.SYN(ctx))
			_, outcome := dialing.Within(ctx, Soon+client.Handshake().Abort().Ceiling)

			Expect(outcome).To(FailWith(unix.EHOSTUNREACH))
			reports := caller.WireTo(ctx, listener).ICMPErrors()
			Expect(reports).To(HaveLen(1))
			queued := outcome.Queued
			Expect(queued.Errno).To(Equal(unix.EHOSTUNREACH))
			Expect(queued.Origin).To(BeEquivalentTo(byFamily(unix.SO_EE_ORIGIN_ICMP, unix.SO_EE_ORIGIN_ICMP6)))
			Expect(queued.Type).To(Equal(reports[0].Type))
			Expect(queued.Code).To(Equal(reports[0].Code))
			Expect(queued.Sender).To(Equal(reports[0].Reporter))
			Observe("errno", unix.ErrnoName(queued.Errno))
		})
})
