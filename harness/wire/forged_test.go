package wire

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
)

// synchronized is a walker that has seen a connection open, with scaled windows.
func synchronized() (w *walker, client, server netip.AddrPort) {
	w = newWalker()
	client, server = netip.MustParseAddrPort("192.0.2.1:50000"), netip.MustParseAddrPort("192.0.2.2:7000")
	for _, s := range []*Segment{
		{Src: client, Dst: server, Flags: FlagSYN, Seq: 100, Options: Options{WindowScale: 7}},
		{Src: server, Dst: client, Flags: FlagSYN | FlagACK, Seq: 500, Ack: 101, Options: Options{WindowScale: 7}},
		{Src: client, Dst: server, Flags: FlagACK, Seq: 101, Ack: 501, Window: 500},
	} {
		w.sent(s)
		w.delivered(s)
	}
	return w, client, server
}

func TestAForgedSegmentIsNamedAsFarAsItCanBe(t *testing.T) {
	g := NewWithT(t)
	for _, c := range []struct {
		flags Flags
		kind  Kind
	}{{FlagSYN, KindSYN}, {FlagRST, KindRST}, {FlagRST | FlagACK, KindRST}, {FlagACK, KindUnknown}, {FlagSYN | FlagACK, KindUnknown}} {
		w, client, server := synchronized()
		forged := &Segment{Src: server, Dst: client, Flags: c.flags, Seq: 600, Ack: 101, Window: 3}
		w.forged(forged)
		g.Expect(forged.Kind).To(Equal(c.kind), "%v", c.flags)
		g.Expect(forged.RelSeq).To(BeEquivalentTo(100))
	}
	w, client, server := synchronized()
	forged := &Segment{Src: server, Dst: client, Flags: FlagACK, Seq: 501, Ack: 101, Window: 3}
	w.forged(forged)
	g.Expect(forged.Window).To(BeEquivalentTo(3<<7), "scaled as its forger meant it")
}

func TestAForgedSYNOrInexactRSTIsChallenged(t *testing.T) {
	g := NewWithT(t)
	for _, flags := range []Flags{FlagSYN, FlagRST} {
		w, client, server := synchronized()
		w.forged(&Segment{Src: server, Dst: client, Flags: flags, Seq: 600})
		answer := &Segment{Src: client, Dst: server, Flags: FlagACK, Seq: 101, Ack: 501, Window: 500}
		w.sent(answer)
		g.Expect(answer.Kind).To(Equal(KindChallengeACK), "%v", flags)
	}
	w, client, server := synchronized()
	w.forged(&Segment{Src: server, Dst: client, Flags: FlagACK, Seq: 501, Ack: 101})
	answer := &Segment{Src: client, Dst: server, Flags: FlagACK, Seq: 101, Ack: 501, Window: 500}
	w.sent(answer)
	g.Expect(answer.Kind).To(Equal(KindDuplicateACK), "not every answer is a challenge")
}

func TestAfterIsRightBehindASegmentsEntry(t *testing.T) {
	g := NewWithT(t)
	// The third entered before the second was delivered.
	c := &Capture{segments: []Segment{{Number: 3}, {Number: 5}, {Number: 9}}, log: []int{0, 0, 1, 2, 1, 2}}
	g.Expect(c.After(Segment{Number: 2})).To(Equal(Position{}))
	g.Expect(c.After(Segment{Number: 3})).To(Equal(Position{log: 1, segment: 1}))
	g.Expect(c.After(Segment{Number: 5})).To(Equal(Position{log: 3, segment: 2}))
	g.Expect(c.After(Segment{Number: 9})).To(Equal(Position{log: 4, segment: 3}))
	next, err := c.AwaitFrom(t.Context(), c.After(Segment{Number: 5}), func(Segment) bool { return true })
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(next.Number).To(Equal(9))
}
