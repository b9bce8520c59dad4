package hostcrash

import (
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// rebootBehindFirewall crashes the host and brings it back with a firewall that drops what belongs
// to no connection it knows.
func rebootBehindFirewall(host *Host) (died time.Duration) {
	died = host.PowerOff()
	host.Reboot()
	host.Firewall()
	return died
}

var _ = Story("host-crash", func() {
	It("gets every copy of the data delivered, and not one answered",
		Claim("host-crash/firewall-no-rst"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			died := rebootBehindFirewall(broken.Host)
			survivor.Write(ctx, "are you there?")
			// A RST would answer the first copy: with the third, two have gone unanswered.
			latest := survivor.Sees(ctx, Either(RST(), Retransmission().From(survivor).Copy(2)))

			wire := survivor.Wire(ctx).Since(died)
			Expect(wire).To(ShowNone(RST()))
			Expect(wire).To(ShowExactly(copies(survivor, 3)...))
			Expect(wire).To(ShowNone(AnySegment().Lost()))
			Observe("retransmissions", latest.Copy)
			Observe("resets", len(RST().In(wire)))
		})

	It("leaves the survivor to its own timeout, as if the host had never come back",
		Claim("host-crash/firewall-timeout"), SpecPriority(7), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			window := survivor.Retransmission().AbortAfterWrite()
			rebootBehindFirewall(broken.Host)
			written := survivor.Write(ctx, "are you there?")
			aborted := survivor.StartRead().Within(ctx, window.Ceiling+Soon)

			Expect(aborted).To(FailWith(unix.ETIMEDOUT))
			Expect(aborted.At - written).To(FallIn(window))
			Observe("aborted_after", aborted.At-written)
			Observe("errno", unix.ErrnoName(aborted.Errno))
			Observe("window_floor", window.Floor)
			Observe("window_ceiling", window.Ceiling)
		})
})
