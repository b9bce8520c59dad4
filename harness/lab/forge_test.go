package lab_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/wire"
)

// A forged segment crosses one cable, as it was made, and the kernel at its end answers it: with a
// RST, having no such connection (RFC 9293 3.5.2). A wrong checksum would draw no answer.
func TestAForgedSegmentIsWhatWasAskedForAndIsAnswered(t *testing.T) {
	g := NewWithT(t)
	l, client, server := pair(t)
	for _, family := range []int{4, 6} {
		src, dst := netip.AddrPortFrom(client.Address(family), 50123), netip.AddrPortFrom(server.Address(family), 7123)
		g.Expect(l.Forge(server, lab.Forged{
			Src: src, Dst: dst, Flags: wire.FlagACK | wire.FlagPSH, Seq: 1000, Ack: 4000, Window: 77, Payload: []byte("never sent"),
			Timestamps: true, TSVal: 5, TSEcr: 6,
		})).To(Succeed())

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		answer, err := l.Wire().Await(ctx, func(s wire.Segment) bool { return s.Src == dst && s.Flags.Has(wire.FlagRST) })
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(answer.Seq).To(BeEquivalentTo(4000))

		forged := l.Wire().Conversation(src, dst).Segments()[0]
		g.Expect(forged.From).To(Equal(wire.Switch))
		g.Expect(forged.DeliveredTo).To(Equal("server"))
		g.Expect(forged.Flags).To(Equal(wire.FlagACK | wire.FlagPSH))
		g.Expect([]uint32{forged.Seq, forged.Ack, forged.Window}).To(Equal([]uint32{1000, 4000, 77}))
		g.Expect(string(forged.Payload)).To(Equal("never sent"))
		g.Expect(forged.Options).To(Equal(wire.Options{WindowScale: -1, Timestamps: true, TSVal: 5, TSEcr: 6}))
	}
}

func TestNothingIsForgedForAHostThatIsOff(t *testing.T) {
	l, client, server := pair(t)
	if err := server.PowerOff(); err != nil {
		t.Fatal(err)
	}
	src, dst := netip.AddrPortFrom(client.Address(4), 1), netip.AddrPortFrom(server.Address(4), 2)
	if err := l.Forge(server, lab.Forged{Src: src, Dst: dst, Flags: wire.FlagRST}); err == nil {
		t.Error("a segment was forged for a host without a cable")
	}
}
