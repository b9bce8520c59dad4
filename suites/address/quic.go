package address

import (
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
)

var _ = Story("address", func() {
	for _, each := range []struct {
		claim, text string
		migrates    bool
	}{
		{"address/quic-migrates", "goes on over QUIC, whose client moves to the new address", Migrating},
		{"address/quic-rebinds", "goes on over QUIC, whose client does nothing but send on", Unaware},
	} {
		It(each.text+", while TCP's connection dies with the old one",
			Claim(each.claim), SpecPriority(8), func(ctx SpecContext) {
				client, server := Pair(ctx)
				moved := Connect(ctx, client, server).Client
				quic := ConnectQUIC(ctx, client, server, each.migrates)
				window := moved.Retransmission().AbortAfterWrite()
				reading := moved.StartRead()

				changed := client.ChangeAddress()
				written := moved.Write(ctx, "who am I?")
				if Family() == 4 {
					window = moved.Unsendable(ctx).Abort()
				}
				answered := quic.AnswersAgain(ctx)
				outcome := reading.Within(ctx, window.Ceiling+Soon)

				Expect(outcome).To(FailWith(unix.ETIMEDOUT), "TCP")
				Expect(outcome.At - written).To(FallIn(window))
				Expect(quic.Connections()).To(Equal(1))
				Expect(quic.Ended()).To(BeFalse())
				// An acknowledgement that was due may have left by the old path yet.
				sent, received := client.Datagrams(ctx, changed), server.Datagrams(ctx, changed)
				Expect(last(sent).Src.Addr()).To(Equal(client.OtherAddress()))
				Expect(last(received).Dst.Addr()).To(Equal(client.OtherAddress()))
				Observe("aborted_after", outcome.At-written)
				Observe("errno", unix.ErrnoName(outcome.Errno))
				Observe("migrated_after", answered-changed)
			})
	}
})

func last[T any](of []T) T {
	Expect(of).NotTo(BeEmpty())
	return of[len(of)-1]
}
