package retransmission

import (
	"fmt"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
)

// Values of tcp_retries2, and about how many seconds the abort takes with each.
var aborts = []struct{ retries2, seconds int }{{0, 1}, {1, 2}, {2, 3}, {3, 7}, {5, 14}, {8, 108}, {15, 938}}

var _ = Story("retransmission", func() {
	for _, each := range aborts {
		It(fmt.Sprintf("tells the reader ETIMEDOUT at the first timeout that finds %v gone since the first retransmission", timing.Model(each.retries2, 0)),
			Claim(fmt.Sprintf("retransmission/abort-retries2-%d", each.retries2)), SpecPriority(each.seconds), func(ctx SpecContext) {
				client, server := Pair(ctx)
				client.SetSysctl("net.ipv4.tcp_retries2", each.retries2)
				broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
				model := survivor.Retransmission()

				survivor.Host.Blackhole(broken.Host, lab.All)
				written := survivor.Write(ctx, "are you there?")
				outcome := survivor.StartRead().Within(ctx, model.AbortAfterWrite().Ceiling+Soon)

				Expect(outcome).To(FailWith(unix.ETIMEDOUT))
				expectAbort(ctx, survivor, model, written, outcome.At)
				Expect(survivor.State()).To(Equal(socket.Gone))
				Observe("errno", unix.ErrnoName(outcome.Errno))
				Observe("retries2", each.retries2)
			})
	}
})
