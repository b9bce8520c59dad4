package icmp

import (
	"net/netip"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/socket"
	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

var _ = Story("icmp", func() {
	It("reaches the connection that it quotes and not the one beside it",
		Claim("icmp/other-connection-untouched"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			conn := Connect(ctx, client, server)
			quoted, beside := conn.Client, conn.Further(ctx).Client
			readings := map[*End]*Reading{}
			for _, end := range []*End{quoted, beside} {
				end.HearOfErrors(ctx, true)
				readings[end] = end.StartRead()
			}

			lost := loseAWrite(ctx, quoted, conn.Server, "from one")
			written := beside.Write(ctx, "from the other")
			beside.Sees(ctx, Data().From(client).After(written).Lost())
			quoted.IsTold(ctx, lab.HostUnreachable, lost.segment)

			Expect(readings[quoted].Within(ctx, Soon)).To(FailWith(unix.EHOSTUNREACH))
			Expect(readings[beside].Blocked(ctx)).To(BeTrue())
			Expect(beside.PendingError(ctx)).To(BeZero())
			Expect(quoted.Wire(ctx).ICMPErrors()).To(HaveLen(1))
			Expect(beside.Wire(ctx).ICMPErrors()).To(BeEmpty())
			Observe("errno", unix.ErrnoName(unix.EHOSTUNREACH))
		})

	for _, each := range []struct {
		name  string
		alter func(*wire.Segment)
	}{
		{"acknowledged before", func(s *wire.Segment) { s.Seq-- }},
		{"never sent", func(s *wire.Segment) { s.Seq += uint32(s.Len) + 1 }},
	} {
		It("takes no notice of an error about a byte that was "+each.name,
			Claim("icmp/out-of-window-ignored"), Case("%s", each.name), func(ctx SpecContext) {
				client, server := Pair(ctx)
				broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
				survivor.HearOfErrors(ctx, true) // so that an error it took for one would be told
				survivor.Write(ctx, "hello")
				Expect(broken.Read(ctx)).To(Deliver("hello"))
				survivor.Acknowledged(ctx)
				reading := survivor.StartRead()

				lost := loseAWrite(ctx, survivor, broken, "are you there?")
				survivor.IsMisled(ctx, lab.HostUnreachable, lost.segment, each.alter)

				Expect(survivor.Counted("OutOfWindowIcmps")).To(Equal(1))
				Expect(reading.Blocked(ctx)).To(BeTrue())
				Expect(survivor.PendingError(ctx)).To(BeZero())
				Expect(survivor.State()).To(Equal(socket.Established))
				Observe("out_of_window_icmps", survivor.Counted("OutOfWindowIcmps"))
			})
	}

	It("counts an error about a connection that there is not, and tells nobody",
		Claim("icmp/unknown-connection-counted"), func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(ServerBreaks)
			survivor.HearOfErrors(ctx, true)
			reading := survivor.StartRead()

			lost := loseAWrite(ctx, survivor, broken, "are you there?")
			survivor.IsMisled(ctx, lab.HostUnreachable, lost.segment, anotherPort)

			Expect(survivor.Counted(byFamily("IcmpInErrors", "Icmp6InErrors"))).To(Equal(1))
			Expect(reading.Blocked(ctx)).To(BeTrue())
			Expect(survivor.PendingError(ctx)).To(BeZero())
			Observe("state", survivor.State())
		})
})

// anotherPort is a port that no socket of the host has.
func anotherPort(s *wire.Segment) { s.Src = netip.AddrPortFrom(s.Src.Addr(), s.Src.Port()+1000) }
