package hostcrash

import (
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("host-crash", func() {
	ItOnEitherSide("leaves the survivor's application waiting in read(2) on a connection that looks alive",
		Claim("host-crash/idle-stays-established"), func(ctx SpecContext, broken, survivor *End) {
			reading := survivor.StartRead()
			broken.Host.PowerOff()
			silence := survivor.WaitOutKeepalive(ctx)

			Expect(survivor.State()).To(Equal(socket.Established))
			Expect(reading.Blocked(ctx)).To(BeTrue(), "read(2) still waits")
			Observe("silent_for", silence)
			Observe("state", survivor.State())
		}, SpecPriority(6))

	ItOnEitherSide("arms nothing that could ever notice, once what was sent has been acknowledged",
		Claim("host-crash/idle-no-timer"), func(ctx SpecContext, broken, survivor *End) {
			survivor.Write(ctx, "ping")
			Expect(broken.Read(ctx)).To(Deliver("ping"))
			broken.Write(ctx, "pong") // and with it the acknowledgement of the ping
			Expect(survivor.Read(ctx)).To(Deliver("pong"))

			broken.Host.PowerOff()
			afterwards := survivor.Snapshot()
			Expect(afterwards.State).To(Equal(socket.Established))
			Expect(afterwards.Timer).To(Equal(socket.Timer{}), "no timer is armed")
			Observe("timer", afterwards.Timer.Kind)
		})

	It("puts the handshake on the wire and, after the crash, nothing at all",
		Claim("host-crash/idle-no-packet"), SpecPriority(6), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			handshake := survivor.Counted("OutSegs")
			broken.Host.PowerOff()
			silence := survivor.WaitOutKeepalive(ctx)

			Expect(survivor.Wire(ctx)).To(ShowExactly(SYN().From(client), SYNACK().From(server), HandshakeACK().From(client)))
			Expect(survivor.Counted("OutSegs")).To(Equal(handshake), "segments sent")
			Observe("silent_for", silence)
		})

	It("ends the half-open connection when the survivor's process is killed, and no sooner",
		Claim("host-crash/idle-until-process-ends"), SpecPriority(6), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			survivor.Host.PinNeighbour(broken.Host) // or the FIN would wait for address resolution
			broken.Host.PowerOff()
			silence := survivor.WaitOutKeepalive(ctx)
			Expect(survivor.State()).To(Equal(socket.Established))

			death := survivor.Process.Kill()
			fin := survivor.Sees(ctx, FIN().From(survivor))
			Expect(fin.Delivered).To(BeFalse(), "nobody is there to get the FIN")
			left := survivor.Snapshot()
			Expect(left.State).To(Equal(socket.FinWait1))
			Expect(left.Orphaned()).To(BeTrue(), "no process holds the socket")
			Observe("silent_for", silence)
			Observe("fin_after", fin.At-death.At)
			Observe("state", left.State)
		})

	It("is not found out by TCP_USER_TIMEOUT, which measures data in flight and there is none",
		Claim("host-crash/idle-user-timeout-alone"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			timeout := survivor.Timeouts().KeepaliveTime / 2 // over long before the wait is
			survivor.UserTimeout(ctx, timeout)
			reading := survivor.StartRead()
			broken.Host.PowerOff()
			silence := survivor.WaitOutKeepalive(ctx)

			Expect(survivor.Option(ctx, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)).To(Equal(int(timeout.Milliseconds())))
			Expect(survivor.State()).To(Equal(socket.Established))
			Expect(reading.Blocked(ctx)).To(BeTrue(), "read(2) still waits")
			Observe("user_timeout", timeout)
			Observe("silent_for", silence)
		})

	It("leaves a connection that nobody uses ESTABLISHED for a day, and no timer that would ever end it",
		Claim("host-crash/idle-one-day"), SpecPriority(24*60*60), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			reading := survivor.StartRead()
			died := broken.Host.PowerOff()
			Elapse(ctx, 24*time.Hour)

			now := survivor.Snapshot()
			Expect(now.State).To(Equal(socket.Established))
			Expect(now.Timer).To(Equal(socket.Timer{}), "no timer is armed")
			Expect(now.Orphaned()).To(BeFalse())
			Expect(reading.Blocked(ctx)).To(BeTrue(), "read(2) still waits")
			Expect(survivor.Wire(ctx).Since(died)).To(ShowNone(AnySegment()))
			Observe("silent_for", now.At-died)
			Observe("state", now.State)
			Observe("timer", now.Timer.Kind)
		})
})
