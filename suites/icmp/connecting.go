package icmp

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/process"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
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
				Expect(outcome.At - told).To(FallIn(timing.BeforeAnyTimer()))
				Expect(caller.WireTo(ctx, listener)).To(ShowExactly(SYN().From(client).Lost()))
				Observe("detected_after", outcome.At-told)
				Observe("errno", unix.ErrnoName(outcome.Errno))
			})
	}

	It("leaves type, code and sender of the error in the error queue of the socket that asked for it",
		Claim("icmp/connect-error-queue"), Case("asked for"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			outcome, reported := refusedByHostUnreachable(ctx, client, server, client.ICMPErrors())

			Expect(outcome.Queued).To(Equal(reported))
			Observe("errno", unix.ErrnoName(outcome.Queued.Errno))
		})

	// tcp_v4_err calls ip_icmp_error for every socket; ipv6_icmp_error looks at the option itself.
	It("leaves the same over IPv4, and nothing over IPv6, in the error queue of a socket that did not ask",
		Claim("icmp/connect-error-queue"), Case("not asked for"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			outcome, reported := refusedByHostUnreachable(ctx, client, server)

			Expect(outcome.Queued).To(Equal(byFamily(reported, process.Queued{})))
		})
})

// refusedByHostUnreachable connects to where a router says there is no such host. It returns what
// connect(2) gave, and what of the router's error an error queue would have.
func refusedByHostUnreachable(ctx SpecContext, client, server *Host, options ...process.Option) (outcome Outcome, reported process.Queued) {
	listener := server.StartProcess().Listen(ctx)
	caller := client.StartProcess()

	client.Blackhole(server, lab.SYNs)
	dialing := caller.StartDial(ctx, listener, options...)
	client.IsTold(ctx, lab.HostUnreachable, dialing.SYN(ctx))
	_, outcome = dialing.Within(ctx, Soon+client.Handshake().Abort().Ceiling)

	Expect(outcome).To(FailWith(unix.EHOSTUNREACH))
	reports := caller.WireTo(ctx, listener).ICMPErrors()
	Expect(reports).To(HaveLen(1))
	return outcome, process.Queued{
		Errno: unix.EHOSTUNREACH, Origin: byFamily[uint8](unix.SO_EE_ORIGIN_ICMP, unix.SO_EE_ORIGIN_ICMP6),
		Type: reports[0].Type, Code: reports[0].Code, Sender: reports[0].Reporter,
	}
}
