package retransmission

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("retransmission", func() {
	It("leaves the reader blocked and lets the writer write while the threshold passes, and delivers everything later",
		Claim("retransmission/retries1-invisible"), SpecPriority(2), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_retries1", 0) // passed 0.2 s after the first timeout's copy
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			model := survivor.Retransmission()
			reading := survivor.StartRead()

			hole := survivor.Host.Blackhole(broken.Host, lab.All)
			written := survivor.Write(ctx, "are you there?")
			copies := survivor.SeesCopies(ctx, written, model.Intervals()[:first+1])
			Expect(copies[first+1].At-copies[first].At).To(BeNumerically(">", timing.Model(0, model.RTOMax)), "the threshold has passed")

			Expect(survivor.State()).To(Equal(socket.Established))
			Expect(survivor.Option(ctx, unix.SOL_SOCKET, unix.SO_ERROR)).To(BeZero())
			Expect(reading.Blocked(ctx)).To(BeTrue())
			survivor.Write(ctx, " still there?")

			hole.Remove()
			Expect(broken.ReadAll(ctx, len("are you there? still there?"))).To(Deliver("are you there? still there?"))
			broken.Write(ctx, "yes")
			Expect(reading.Within(ctx, Soon)).To(Deliver("yes"))
			Expect(survivor.Wire(ctx).Since(written)).To(ShowNone(RST()))
			Observe("state", survivor.State())
		})
})
