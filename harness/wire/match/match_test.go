package match_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/wire"
	"github.com/halfopen/halfopen/harness/wire/internal/rig"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }

// story is real: a connection, a lost write, two retransmissions, a delivered third, its ACK.
func story(t *testing.T) (lan *rig.LAN, conversation *wire.Conversation, unplugged time.Duration) {
	t.Helper()
	g := NewWithT(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var capture *wire.Capture
	lan = rig.New(t, func(name string, ifindex int) { capture.AddPort(name, ifindex) }, func() (err error) {
		capture, err = wire.Open()
		return err
	})
	lan.Server.Sysctl("net/ipv4/tcp_early_retrans", "0")
	client, server := lan.Connect(ctx, false)
	lan.Client.Unplug()
	unplugged = mono.Now()
	capture.Note(unplugged, "client: cable unplugged")
	server.Write([]byte("are you there?"))
	_, err := capture.Await(ctx, func(s wire.Segment) bool { return s.Copy == 2 })
	g.Expect(err).NotTo(HaveOccurred())
	lan.Client.Replug()
	_, err = capture.Await(ctx, ACK().From("client").WithAck(15).Delivered().Matches)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(capture.Sync(ctx)).To(Succeed())
	conversation = capture.Conversation(rig.Ends(client))
	g.Expect(capture.Close()).To(Succeed())
	return lan, conversation, unplugged
}

// within is a Window.
type within struct{ floor, ceiling time.Duration }

func (w within) Contains(d time.Duration) bool { return w.floor <= d && d <= w.ceiling }
func (w within) String() string                { return w.floor.String() + ".." + w.ceiling.String() }

func TestMatchers(t *testing.T) {
	lan, conversation, unplugged := story(t)
	client, server := lan.Client, lan.Server
	segments := conversation.Segments()

	t.Run("what is so", func(t *testing.T) {
		g := NewWithT(t)
		g.Expect(conversation).To(ShowInOrder(SYN().From(client), Data().From(server).Lost(), Retransmission().From("server").Delivered()))
		g.Expect(conversation).To(ShowExactly(
			SYN().From(client), SYNACK().From(server), HandshakeACK().From(client),
			Data().From(server).After(unplugged).Lost().Carrying("are you there?").WithSeq(1),
			Retransmission().Lost(), Retransmission().Lost(), Retransmission().Delivered(),
			ACK().From(client).Empty().WithAck(15).WithFlags(wire.FlagACK),
		))
		g.Expect(segments).To(ShowNone(FIN()))
		g.Expect(segments).To(ShowNone(RST()))
		g.Expect(conversation).To(ShowNone(AnySegment().From(client).Before(segments[0].At)))
		g.Expect(conversation).To(ShowTimes(3, Retransmission().From(server)))
		g.Expect(Retransmission().In(conversation)).To(HaveLen(3))
		g.Expect(conversation.Since(unplugged)).To(ShowOnly(Data(), Retransmission(), ACK().From(client)))
		g.Expect(conversation).To(ShowTimes(4, Either(Data(), Retransmission()).OfConnection(1)))
		g.Expect(conversation).To(GapsBetween(Either(Data(), Retransmission()), []within{
			{200 * time.Millisecond, 300 * time.Millisecond}, {400 * time.Millisecond, 600 * time.Millisecond}, {800 * time.Millisecond, 1200 * time.Millisecond},
		}...))
		g.Expect(conversation.Since(unplugged)).To(ShowTimes(5, AnySegment()))
	})

	t.Run("what is not so", func(t *testing.T) {
		for name, mistaken := range map[string]struct {
			matcher interface {
				Match(any) (bool, error)
				FailureMessage(any) string
			}
			words []string
		}{
			"order":    {ShowInOrder(SYN(), FIN().From(server)), []string{"in this order", "2. FIN, from server", "but 2. (FIN, from server) was not found after 1.", "SYN   <== 1."}},
			"too many": {ShowExactly(SYN(), SYNACK()), []string{"there are 8 segments, not 2", "handshake ACK   <== not expected"}},
			"other":    {ShowExactly(SYN(), RST()), []string{"segment 2 is not 2. (RST)", "SYN-ACK   <== expected 2. (RST)"}},
			"too few":  {ShowExactly(SYN(), SYNACK(), ACK(), Data(), Retransmission(), Retransmission(), Retransmission(), ACK(), FIN()), []string{"9. (FIN) and what should follow is missing"}},
			"none":     {ShowNone(Retransmission().Delivered()), []string{"none of: retransmission, delivered", "1 of 8 segments are", "<== 1"}},
			"only":     {ShowOnly(Data(), Retransmission(), ACK()), []string{"nothing but: either (data)", "2 of 8 segments are something else", "SYN-ACK   <== not expected"}},
			"times":    {ShowTimes(2, Retransmission()), []string{"exactly 2 of: retransmission", "3 of 8 segments are"}},
			"gap":      {GapsBetween(Retransmission(), within{0, time.Second}, within{0, time.Millisecond}), []string{"gap 2 is ", "not within 0s..1ms", "<== gap 1: "}},
			"gaps":     {GapsBetween(Retransmission(), within{0, time.Second}), []string{"there are 3, not 2", "not expected"}},
		} {
			t.Run(name, func(t *testing.T) {
				g := NewWithT(t)
				holds, err := mistaken.matcher.Match(conversation)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(holds).To(BeFalse())
				message := mistaken.matcher.FailureMessage(conversation)
				t.Log("\n" + message)
				for _, words := range mistaken.words {
					g.Expect(message).To(ContainSubstring(words))
				}
				g.Expect(message).To(ContainSubstring("· client: cable unplugged"))
				g.Expect(strings.Count(message, "\n")).To(BeNumerically(">", 9))
			})
		}
	})

	t.Run("the wrong thing", func(t *testing.T) {
		_, err := ShowNone(FIN()).Match("a string")
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("not string")))
	})
}

func TestAPredicateReadsAsWords(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Retransmission().From("server").Lost().Carrying("x").String()).To(Equal(`retransmission, from server, not delivered, carrying "x"`))
	base := Data().From("server")
	_ = base.Lost()
	g.Expect(base.String()).To(Equal("data, from server"), "a modifier leaves its receiver as it was")
	g.Expect(Data().From(7).String()).To(ContainSubstring("int is no host"))
}
