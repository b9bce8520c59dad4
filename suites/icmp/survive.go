package icmp

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
)

var _ = Story("icmp", func() {
	for _, each := range []struct {
		claim  string
		report lab.ICMPError
	}{
		{"icmp/soft-no-abort", lab.NetworkUnreachable},
		{"icmp/soft-no-abort", lab.HostUnreachable},
		{"icmp/soft-no-abort", lab.TimeExceeded},
		{"icmp/soft-no-abort", lab.ParameterProblem},
		{"icmp/hard-no-abort", lab.ProtocolUnreachable},
		{"icmp/hard-no-abort", lab.PortUnreachable},
		{"icmp/hard-no-abort", lab.AdminProhibited},
	} {
		It("goes on after "+each.report.String()+" and delivers what was written, as soon as the path lets it",
			Claim(each.claim), Case("%s", each.report), func(ctx SpecContext) {
				client, server := Pair(ctx)
				broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
				reading := survivor.StartRead()

				lost := loseAWrite(ctx, survivor, broken, "are you there?")
				survivor.IsTold(ctx, each.report, lost.segment)
				Expect(survivor.State()).To(Equal(socket.Established))
				lost.path.Remove()

				Expect(broken.Read(ctx)).To(Deliver("are you there?"))
				broken.Write(ctx, "yes")
				Expect(reading.Within(ctx, Soon)).To(Deliver("yes"))
				Expect(survivor.PendingError(ctx)).To(BeZero())
				Expect(survivor.Wire(ctx).ICMPErrors()).To(HaveLen(1))
				Observe("state", survivor.State())
			})
	}

	It("leaves the reader blocked and takes another write when tcp_retries1 is past",
		Claim("icmp/no-advice-by-default"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_retries1", 0)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			model := survivor.Retransmission()
			reading := survivor.StartRead()

			lost := loseAWrite(ctx, survivor, broken, "are you there?")
			survivor.IsTold(ctx, lab.HostUnreachable, lost.segment)
			first := survivor.SeesByTimeout(ctx, model, 1)
			second := survivor.SeesByTimeout(ctx, model, 2)
			Expect(second.At-first.At).To(BeNumerically(">", timing.Model(0, model.RTOMax)), "the threshold has passed")

			Expect(reading.Blocked(ctx)).To(BeTrue())
			survivor.Write(ctx, "hello?")
			Expect(survivor.State()).To(Equal(socket.Established))
			Observe("state", survivor.State())
		})

	It("takes no notice of a router that asks for less",
		Claim("icmp/source-quench-ignored"), func(ctx SpecContext) {
			OverIPv4Alone("ICMPv6 has no source quench")
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			survivor.HearOfErrors(ctx, true) // so that an error it took for one would be told
			reading := survivor.StartRead()

			lost := loseAWrite(ctx, survivor, broken, "are you there?")
			before := survivor.Snapshot().Info
			survivor.IsMisled(ctx, lab.SourceQuench, lost.segment)
			after := survivor.Snapshot().Info
			Expect(reading.Blocked(ctx)).To(BeTrue())
			Expect(survivor.PendingError(ctx)).To(Equal(unix.Errno(0)))
			Expect(after.CongestionWindow).To(Equal(before.CongestionWindow))
			Expect(after.SlowStartThreshold).To(Equal(before.SlowStartThreshold))
			lost.path.Remove()

			Expect(broken.Read(ctx)).To(Deliver("are you there?"))
			Expect(survivor.Wire(ctx).ICMPErrors()).To(HaveLen(1))
			Observe("state", survivor.State())
		})
})
