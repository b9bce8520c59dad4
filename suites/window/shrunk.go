package window

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

const sentence = "are you there? still there? really there?"

// shrunk is a peer that has taken its window back, down to zero, while data was in flight.
type shrunk struct {
	reader, writer *End
	word           *Filter      // removed, the peer can be heard again
	data, ACK      wire.Segment // what is in flight, and by what the window went
	model          timing.Shrunk
}

// shrink puts data in flight and takes the window away. No Linux receiver does that, so the
// acknowledgement is forged: it has got one byte and wants no more. The peer itself is not heard. An
// acknowledgement of a part of a segment does not arm the timer anew: it runs since the write.
func shrink(ctx context.Context, client, server *Host, adjust func(writer *End)) shrunk {
	return shrinkTo(ctx, client, server, 0, sentence, adjust)
}

// shrinkTo is shrink to a window of some bytes, with a text of more in flight.
func shrinkTo(ctx context.Context, client, server *Host, window int, text string, adjust func(writer *End)) shrunk {
	client.SetSysctl("net.ipv4.tcp_early_retrans", 0) // the first copy is a timeout's
	reader, writer := Connect(ctx, client, server).Split(ServerBreaks)
	adjust(writer)
	s := shrunk{reader: reader, writer: writer, model: writer.ShrunkWindow()}
	s.word = server.Blackhole(client, lab.All)
	took := writer.Draft(ctx, Forgery{Flags: wire.FlagACK, Ack: 1, Window: window})
	writer.Write(ctx, text)
	s.ACK = client.Forge(ctx, took) // well before the first copy
	s.data = writer.Sees(ctx, Data().From(writer).Delivered())
	return s
}

func asItIs(*End) {}

// seesCopies waits for n copies of what is in flight: of all but its first byte, so that the first of
// them is the first segment to begin where it does.
func (s shrunk) seesCopies(ctx context.Context, n int) []wire.Segment {
	patience := Soon
	for _, interval := range s.model.Intervals(n) {
		patience += interval.Ceiling
	}
	copies := Retransmission().From(s.writer).After(s.ACK.At)
	s.writer.SeesWithin(ctx, patience, copies.Copy(n-1))
	seen := copies.In(s.writer.Wire(ctx))
	Expect(len(seen)).To(BeNumerically(">=", n), "copies, the first of which is the first segment to begin where it does")
	return seen[:n]
}

var _ = Story("window", func() {
	It("that shrank to zero under data in flight is probed by that data, at intervals that double",
		Claim("window/shrunk-probed"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			s := shrink(ctx, client, server, asItIs)
			copies := s.seesCopies(ctx, 4)

			Expect(append([]wire.Segment{s.data}, copies...)).To(Gaps(OnRealClock(s.model.Intervals(4))...))
			Expect(copies[0].RelSeq).To(Equal(s.ACK.RelAck), "what is sent again begins with the first byte that was not acknowledged")
			Expect(copies).To(ShowOnly(Retransmission().Carrying(sentence[1:])), "and goes beyond the window")
			Expect(s.writer.Counted("TCPTimeouts")).To(BeZero(), "they are not counted as timeouts")
			Observe("first_window_probe_after", copies[0].At-s.data.At)
			Observe("window_probe_interval", copies[3].At-copies[2].At)
		})

	It("that shrank to zero ends no connection in the time of tcp_retries2, and everything arrives later",
		Claim("window/shrunk-not-timed-out"), SpecPriority(4), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_retries2", 1) // 0.6 s after the first timeout's copy
			s := shrink(ctx, client, server, asItIs)
			copies := s.seesCopies(ctx, 4) // the fourth is seven timeouts after the first
			passed := copies[3].At - copies[0].At
			Expect(passed).To(BeNumerically(">", timing.Model(1, s.model.RTOMax)), "the time of tcp_retries2 has passed")

			Expect(s.writer.State()).To(Equal(socket.Established))
			Expect(s.writer.PendingError(ctx)).To(BeZero())
			s.word.Remove()
			found := s.writer.SeesWithin(ctx, s.model.Intervals(5)[4].Ceiling+Soon, Retransmission().From(s.writer).Copy(4))
			s.writer.Sees(ctx, ACK().From(s.reader).Open().After(found.At).Delivered())
			s.writer.Write(ctx, " yes")
			Expect(s.reader.ReadAll(ctx, len(sentence)+4)).To(Deliver(sentence + " yes"))
			Observe("stayed_open", passed)
			Observe("retransmissions", found.Copy+1)
		})

	It("that shrank to zero holds back what is written afterwards, until it opens",
		Claim("window/shrunk-no-new-data"), SpecPriority(2), func(ctx SpecContext) {
			client, server := Pair(ctx)
			s := shrink(ctx, client, server, func(writer *End) {
				writer.Set(ctx, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // else Nagle's algorithm would hold it back
			})
			s.writer.Write(ctx, " and now?")
			copies := s.seesCopies(ctx, 3)

			Expect(s.writer.Wire(ctx).Since(s.ACK.At)).To(ShowNone(AnySegment().Carrying(" and now?")))
			s.word.Remove()
			Expect(s.reader.ReadAll(ctx, len(sentence+" and now?"))).To(Deliver(sentence + " and now?"))
			Observe("window_probes", len(copies))
		})

	It("that shrank under data in flight has what lies within it sent again, as any data is",
		Claim("window/shrunk-retransmitted-within"), SpecPriority(2), func(ctx SpecContext) {
			client, server := Pair(ctx)
			const window = 1024 // bytes: less than a segment, and what the scale of a large buffer can still say

			text := strings.Repeat(sentence, 5*window/4/len(sentence)) // one segment, a part of which lies beyond
			var model timing.Retransmission
			s := shrinkTo(ctx, client, server, window, text, func(writer *End) { model = writer.Retransmission() })
			copies := s.seesCopies(ctx, 3)

			Expect(append([]wire.Segment{s.data}, copies...)).To(Gaps(OnRealClock(model.Intervals()[:3])...))
			Expect(copies[0].RelSeq).To(Equal(s.ACK.RelAck), "what is sent again begins with the first byte that was not acknowledged")
			Expect(copies).To(ShowOnly(Retransmission().Carrying(text[1 : 1+window])))
			Expect(s.writer.Counted("TCPTimeouts")).To(Equal(3), "they are timeouts' as ever")
			Observe("first_retransmission_after", copies[0].At-s.data.At)
		})

	It("that shrank to zero ends the connection when the peer has been silent for twice the longest timeout",
		Claim("window/shrunk-abort"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			expectShrunkAbort(ctx, shrink(ctx, client, server, asItIs))
		})

	It("that shrank to zero ends the connection after two seconds of silence where the longest timeout is one",
		Claim("window/shrunk-abort-rto-max"), SpecPriority(3), func(ctx SpecContext) {
			client, server := Pair(ctx)
			client.SetSysctl("net.ipv4.tcp_rto_max_ms", 1000)
			s := shrink(ctx, client, server, asItIs)
			s.model.RTOMax = time.Second
			expectShrunkAbort(ctx, s)
		})

	It("that shrank to zero ends the connection by TCP_USER_TIMEOUT although the peer answers every copy",
		Claim("window/shrunk-user-timeout"), SpecPriority(1), func(ctx SpecContext) {
			const userTimeout = 500 * time.Millisecond
			expected := Expected()
			client, server := Pair(ctx)
			s := shrink(ctx, client, server, func(writer *End) { writer.UserTimeout(ctx, userTimeout) })
			s.model.UserTimeout, s.model.InJiffies = userTimeout, expected == "jiffies"
			reading := s.writer.StartRead()
			stop := s.writer.AnswerEach(ctx, Retransmission(), s.ACK)
			outcome := reading.Within(ctx, s.model.AbortAfterFirst().Ceiling+Soon)
			stop()

			Expect(outcome).To(FailWith(unix.ETIMEDOUT))
			copies := Retransmission().From(s.writer).In(s.writer.Wire(ctx))
			Expect(outcome.At - copies[0].At).To(FallIn(s.model.AbortAfterFirst()))
			answers := AnySegment().Forged().After(copies[0].At).In(s.writer.Wire(ctx))
			Expect(len(answers)).To(BeNumerically(">=", len(copies)-1), "answers: one for each copy, if the abort has not come before the last")
			Observe("aborted_after", outcome.At-s.data.At)
			Observe("abort_clock", outcome.At-copies[0].At)
			Observe("retransmissions", len(copies))
			Observe("probes_answered", len(answers))
			Observe("user_timeout", userTimeout)
		})
})

// expectShrunkAbort expects a peer that took its window back and fell silent to be given up.
func expectShrunkAbort(ctx context.Context, s shrunk) {
	window := s.model.AbortAfterFirst()
	outcome := s.writer.StartRead().Within(ctx, s.model.Intervals(1)[0].Ceiling+window.Ceiling+Soon)

	Expect(outcome).To(FailWith(unix.ETIMEDOUT))
	copies := Retransmission().From(s.writer).In(s.writer.Wire(ctx))
	Expect(outcome.At - copies[0].At).To(FallIn(window))
	Expect(s.writer.Wire(ctx)).To(ShowNone(RST()))
	Expect(s.writer.Counted("TCPAbortOnTimeout")).To(Equal(1), "aborts counted")
	Observe("aborted_after", outcome.At-s.data.At)
	Observe("abort_clock", outcome.At-copies[0].At)
	Observe("retransmissions", len(copies))
	Observe("errno", unix.ErrnoName(outcome.Errno))
	Observe("window_floor", window.Floor)
	Observe("window_ceiling", window.Ceiling)
}
