package keepalive

import (
	"slices"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("keepalive", func() {
	for _, row := range []struct {
		text, when  string
		count       int
		userTimeout time.Duration
		probes      int
	}{
		{"goes on asking after the last probe that the count allows", "longer than the count", 1, 2500 * time.Millisecond, 2},
		{"gives up before it has asked as often as the count allows", "shorter than the count", 3, 1500 * time.Millisecond, 1},
	} {
		It(row.text+", until TCP_USER_TIMEOUT is over",
			Claim("keepalive/user-timeout-replaces-count"), Case("%s", row.when), SpecPriority(3), func(ctx SpecContext) {
				client, server := Pair(ctx)
				conn := Connect(ctx, client, server)
				survivor, silent := conn.Server, conn.Client
				survivor.SetKeepaliveOptions(ctx, KeepaliveOptions{Idle: time.Second, Interval: time.Second, Count: row.count})
				survivor.UserTimeout(ctx, row.userTimeout) // between two ticks of the timer
				survivor.Host.Blackhole(silent.Host, lab.All)
				asked := survivor.KeepAlive(ctx)
				model := survivor.Keepalive()

				outcome := survivor.StartRead().Within(ctx, model.Detection().Ceiling+Soon)

				Expect(outcome).To(FailWith(unix.ETIMEDOUT))
				Expect(outcome.At - asked).To(FallIn(model.Detection()))
				since := conn.Wire(ctx).Since(asked)
				probe := KeepaliveProbe().From(survivor).Lost()
				Expect(since).To(ShowExactly(append(slices.Repeat([]Predicate{probe}, row.probes), RST().From(survivor))...))
				for i, sent := range probe.In(since) {
					Expect(sent.At - asked).To(FallIn(model.Probes()[i]))
				}
				Observe("user_timeout", row.userTimeout)
				Observe("keepalive_probes", row.count)
				Observe("probes", len(probe.In(since)))
				Observe("detected_after", outcome.At-asked)
			})
	}
})
