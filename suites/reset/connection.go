package reset

import (
	"context"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// guess is a number that somebody who does not see the connection might hit on, from the expected one.
type guess struct {
	name   string
	number int
}

// Guesses. The window of a connection on which nothing was sent is some 64 KB.
const (
	exact      = 0
	justInside = 1
	inside     = 30_000
	below      = -1
)

// connect makes a connection on which nothing has been sent yet. The target is the end for which
// segments are forged in the name of its peer.
func connect(ctx context.Context) (peer, target *End) {
	client, server := Pair(ctx)
	return Connect(ctx, client, server).Split(ServerBreaks)
}

// answer is an acknowledgement of the target's that acknowledges nothing, the peer having sent
// nothing: what a forged segment may draw.
func answer(target *End) Predicate { return ACK().From(target).Empty().WithSeq(1).WithAck(1) }

// expectAnswered expects a forged segment to draw one such answer and nothing else, and the
// connection to be as good as before.
func expectAnswered(ctx context.Context, peer, target *End, forged wire.Segment) {
	drawn := target.Sees(ctx, answer(target).After(forged.At).Delivered())
	Expect(target.Wire(ctx).Since(forged.At)).To(ShowExactly(AnySegment().Forged(), answer(target)))
	expectUsable(ctx, peer, target)
	Observe("answer_after", drawn.At-forged.At)
	Observe("challenge_acks", target.Counted("TCPChallengeACK"))
}

// expectIgnored expects a forged segment to draw nothing, and the connection to be as good as before.
func expectIgnored(ctx context.Context, peer, target *End, forged wire.Segment) {
	expectUsable(ctx, peer, target)
	since := target.Wire(ctx).Since(forged.At)
	Expect(since).To(ShowInOrder(AnySegment().Forged().Delivered(), Data().From(target).Delivered()))
	Expect(since).To(ShowNone(answer(target).Before(target.Sees(ctx, Data().From(peer)).At)))
	Expect(target.Counted("TCPChallengeACK")).To(BeZero(), "challenge ACKs counted")
	Observe("challenge_acks", target.Counted("TCPChallengeACK"))
}

// expectUsable lets a word go each way, the target's first.
func expectUsable(ctx context.Context, peer, target *End) {
	Expect(target.State()).To(Equal(socket.Established))
	target.Write(ctx, "still there?")
	Expect(peer.Read(ctx)).To(Deliver("still there?"))
	peer.Write(ctx, "yes")
	Expect(target.Read(ctx)).To(Deliver("yes"))
	Expect(target.Wire(ctx)).To(ShowNone(RST().From(target)))
	Expect(target.PendingError(ctx)).To(BeZero())
}
