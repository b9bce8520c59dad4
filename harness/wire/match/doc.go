// Package match holds Gomega matchers over TCP segments: what a claim says of the wire, in its
// own words.
//
//	Expect(conversation).To(ShowInOrder(Data().From(server), Retransmission().From(server), RST().From(client)))
//	Expect(conversation).To(ShowNone(FIN().From(client)))
//	Expect(conversation).To(GapsBetween(KeepaliveProbe().From(server), windows...))
//
// A predicate (SYN(), Data(), ...) says what one segment is; its modifiers narrow it. The
// matchers take []wire.Segment or anything with Segments() []wire.Segment, such as a
// *wire.Conversation. A failure shows what was expected and the ladder, with the segments it is
// about marked.
//
// ShowNone, ShowExactly and Lost speak of what did not happen: call Capture.Sync before.
package match
