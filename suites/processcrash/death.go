package processcrash

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("process-crash", func() {
	deathSendsFIN := func(side Side, manner process.Manner) func(SpecContext) {
		return func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(side)

			death := broken.Process.DieBy(ctx, manner)

			fin := survivor.Sees(ctx, FIN().From(broken).Delivered())
			Expect(fin.At-death.At).To(BeNumerically("<=", timing.Death().Ceiling), "the claim's own bound, slack included")
			survivor.Sees(ctx, ACK().From(survivor).After(fin.At).Delivered())
			Expect(survivor.Wire(ctx).Since(death.At)).To(ShowExactly(
				FIN().From(broken).Empty(), // no word of how the process died
				ACK().From(survivor)))
			Observe("fin_after", fin.At-death.At)
		}
	}
	for _, manner := range process.Manners() {
		It("sends a FIN at once for a process that dies by "+manner.String(),
			Claim("process-crash/fin-within-100ms"), Case("%s", manner), deathSendsFIN(ServerBreaks, manner))
	}
	It("sends a FIN at once for a client as it does for a server",
		Claim("process-crash/fin-within-100ms"), Case("%s of the client", process.Killed), deathSendsFIN(ClientBreaks, process.Killed))

	It("tells the survivor although nothing was ever sent and nobody probes",
		Claim("process-crash/neither-keepalive-nor-data"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			for _, end := range []*End{broken, survivor} {
				Expect(end.Option(ctx, unix.SOL_SOCKET, unix.SO_KEEPALIVE)).To(BeZero())
				Expect(end.Snapshot().Timer.Kind).To(Equal(socket.NoTimer))
			}
			reading := survivor.StartRead()

			death := broken.Process.Kill()

			outcome := reading.Within(ctx, Soon)
			Expect(outcome).To(ReachEOF())
			survivor.Sees(ctx, ACK().From(survivor).After(death.At).Delivered())
			Expect(survivor.Wire(ctx)).To(ShowExactly( // the connection's whole life
				SYN().From("client"), SYNACK().From("server"), HandshakeACK().From("client"),
				FIN().From(broken).Empty(), ACK().From(survivor)))
			Expect(survivor.Counted("TCPKeepAlive")).To(BeZero())
			Observe("eof_after", outcome.At-death.At)
			Observe("keepalives", survivor.Counted("TCPKeepAlive"))
		})
})
