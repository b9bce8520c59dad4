package match_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

func TestPredicatesOfWindows(t *testing.T) {
	g := NewWithT(t)
	probe := wire.Segment{Kind: wire.KindZeroWindowProbe, From: "client", DeliveredTo: "server", Delivered: true, Window: 7300, Flags: wire.FlagACK}
	keepalive := wire.Segment{Kind: wire.KindKeepaliveProbe, From: "client", Flags: wire.FlagACK}
	closed := wire.Segment{Kind: wire.KindDuplicateACK, From: "server", Flags: wire.FlagACK}
	rst := wire.Segment{Kind: wire.KindRST, From: wire.Switch, Flags: wire.FlagRST}

	g.Expect(WindowProbe().Matches(probe)).To(BeTrue())
	g.Expect(WindowProbe().Matches(keepalive)).To(BeFalse())
	g.Expect(ACK().Closed().Matches(closed)).To(BeTrue())
	g.Expect(ACK().Open().Matches(closed)).To(BeFalse())
	g.Expect(AnySegment().Open().Matches(probe)).To(BeTrue())
	g.Expect(AnySegment().Closed().Matches(rst)).To(BeFalse(), "a RST announces no window")
	g.Expect(RST().Forged().Matches(rst)).To(BeTrue())
	g.Expect(AnySegment().Forged().Matches(probe)).To(BeFalse())
	g.Expect(AnySegment().To("server").Matches(probe)).To(BeTrue())
	g.Expect(AnySegment().To("server").Matches(keepalive)).To(BeFalse(), "it was not delivered")
	g.Expect(RST().Forged().Closed().To("server").String()).To(Equal("RST, forged, with a closed window, to server"))
}
