package lab_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/wire"
)

// An injected error is one that the kernel takes: it fails a connect(2), lies in its error queue, and is
// on the record as the switch's.
func TestAnInjectedICMPErrorFailsAConnect(t *testing.T) {
	for _, family := range []int{4, 6} {
		l, client, server := pair(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := l.Blackhole(client, server, lab.SYNs); err != nil {
			t.Fatal(err)
		}
		p, err := client.StartProcess()
		if err != nil {
			t.Fatal(err)
		}
		option := process.SockOpt(unix.IPPROTO_IP, unix.IP_RECVERR, 1)
		if family == 6 {
			option = process.SockOpt(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
		}
		remote := netip.AddrPortFrom(server.Address(family), 7000)
		dialing, err := p.StartDial(ctx, netip.AddrPortFrom(client.Address(family), 50000), remote, option)
		if err != nil {
			t.Fatal(err)
		}
		syn, err := l.Wire().Await(ctx, func(s wire.Segment) bool { return s.Kind == wire.KindSYN })
		if err != nil {
			t.Fatal(err)
		}
		if err := l.InjectICMP(client, lab.PortUnreachable, syn.Src, syn.Dst, syn.Seq); err != nil {
			t.Fatal(err)
		}
		_, err = dialing.Wait(ctx)
		refused, ok := err.(*process.Errno)
		if !ok || refused.Errno != unix.ECONNREFUSED {
			t.Fatalf("IPv%d: connect(2) says %v", family, err)
		}
		if err := l.Wire().Sync(ctx); err != nil {
			t.Fatal(err)
		}
		reports := l.Wire().ICMPErrors()
		if len(reports) != 1 || reports[0].From != wire.Switch || reports[0].Src != syn.Src || reports[0].Dst != syn.Dst || !reports[0].Delivered {
			t.Fatalf("IPv%d: the record has %+v", family, reports)
		}
		if q := refused.Queued; q.Errno != unix.ECONNREFUSED || q.Type != reports[0].Type || q.Code != reports[0].Code || q.Sender != reports[0].Reporter {
			t.Errorf("IPv%d: the error queue has %+v", family, q)
		}
	}
}

func TestICMPv6HasNoSourceQuench(t *testing.T) {
	l, client, server := pair(t)
	from, to := netip.AddrPortFrom(client.Address(6), 1), netip.AddrPortFrom(server.Address(6), 2)
	if err := l.InjectICMP(client, lab.SourceQuench, from, to, 1); err == nil {
		t.Error("it was injected")
	}
}
