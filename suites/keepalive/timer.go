package keepalive

import (
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
)

var _ = Story("keepalive", func() {
	It("announces the first probe in sock_diag as soon as setsockopt(2) has returned",
		Claim("keepalive/timer-armed-at-once"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			end := Connect(ctx, client, server).Server
			Expect(end.Snapshot().Timer).To(Equal(socket.Timer{}))

			timer := expectTimer(end, end.KeepAlive(ctx))
			Expect(timer.Count).To(Equal(0))
			Observe("timer", timer.Kind)
			Observe("timer_expires", timer.Expires)
		})
})

// expectTimer expects a timer that will send the first probe in time, counted from when the end was
// asked to.
func expectTimer(end *End, asked time.Duration) socket.Timer {
	snapshot := end.Snapshot()
	Expect(snapshot.Timer.Kind).To(Equal(socket.Keepalive))
	Expect(snapshot.At + snapshot.Timer.Expires - asked).To(FallIn(end.Keepalive().Probes()[0]))
	return snapshot.Timer
}
