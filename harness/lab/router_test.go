package lab_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/wire"
)

// routed is a lab with a connection between two hosts over a router, which was set before.
type routed struct {
	lab            *lab.Lab
	router         *lab.Router
	client, server *process.Socket
	ctx            context.Context
}

func connectRouted(t *testing.T, family int, set func(*lab.Router) error) routed {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	l, err := lab.New(kernel.Defaults)
	must(err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	router, err := l.AddRouter("router")
	must(err)
	client, err := l.AddHost("client")
	must(err)
	server, err := router.AddHostBehind("server")
	must(err)
	must(set(router))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	listening, err := server.StartProcess()
	must(err)
	listener, err := listening.Listen(ctx, netip.AddrPortFrom(server.Address(family), 7000))
	must(err)
	connecting, err := client.StartProcess()
	must(err)
	dialing, err := connecting.StartDial(ctx, netip.AddrPortFrom(client.Address(family), 50000), listener.Local())
	must(err)
	connected, err := dialing.Wait(ctx)
	must(err)
	accepted, err := listener.Accept(ctx)
	must(err)
	return routed{l, router, connected, accepted, ctx}
}

// write writes and returns the segment that carries the text, when it has been delivered or all that
// was on the wire has been seen.
func (r routed) write(t *testing.T, from *process.Socket, text string) wire.Segment {
	t.Helper()
	if _, err := from.Write(r.ctx, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := r.lab.Wire().Sync(r.ctx); err != nil {
		t.Fatal(err)
	}
	for _, s := range r.lab.Wire().Segments() {
		if string(s.Payload) == text {
			return s
		}
	}
	t.Fatalf("no segment carries %q", text)
	return wire.Segment{}
}

func TestARouterSendsOnWhatIsStillItsHostsSegment(t *testing.T) {
	for _, family := range []int{4, 6} {
		r := connectRouted(t, family, func(*lab.Router) error { return nil })
		s := r.write(t, r.client, "there")
		if !s.Delivered || s.From != "client" || s.DeliveredTo != "server" || s.Router != "router" || s.Translated() {
			t.Errorf("IPv%d: delivered %v from %q to %q over %q, translated %v", family, s.Delivered, s.From, s.DeliveredTo, s.Router, s.Translated())
		}
		if s := r.write(t, r.server, "and back"); !s.Delivered || s.From != "server" {
			t.Errorf("IPv%d: delivered %v from %q", family, s.Delivered, s.From)
		}
		for _, s := range r.lab.Wire().Segments() {
			if s.Kind.IsRetransmission() {
				t.Errorf("IPv%d: what the router sends on is taken for a retransmission:\n%v", family, r.lab.Wire().Conversations()[0])
			}
		}
	}
}

func TestWhatARouterDropsIsNotDelivered(t *testing.T) {
	for _, family := range []int{4, 6} {
		r := connectRouted(t, family, func(router *lab.Router) error { return router.Firewall(nil) })
		entry, err := r.router.Entry(r.client.Local(), r.client.Remote())
		if err != nil || entry.State != lab.EntryEstablished || entry.Expires < 119*time.Hour {
			t.Fatalf("IPv%d: the entry is %+v (%v)", family, entry, err)
		}
		if err := r.router.Forget(r.client.Local(), r.client.Remote()); err != nil {
			t.Fatal(err)
		}
		if err := r.router.Forget(r.client.Local(), r.client.Remote()); err == nil {
			t.Error("an entry is deleted that is not there")
		}
		s := r.write(t, r.server, "in vain")
		if s.Delivered || s.Router != "router" || s.OutSrc.IsValid() {
			t.Errorf("IPv%d: delivered %v, sent on %v", family, s.Delivered, s.OutSrc)
		}
		if s := r.write(t, r.client, "begins anew"); !s.Delivered {
			t.Errorf("IPv%d: the client's data is not picked up", family)
		}
	}
}

func TestARoutersOwnResetIsFromTheRouter(t *testing.T) {
	for _, family := range []int{4, 6} {
		r := connectRouted(t, family, func(router *lab.Router) error { return router.Firewall(&lab.WithReset) })
		if err := r.router.Forget(r.client.Local(), r.client.Remote()); err != nil {
			t.Fatal(err)
		}
		r.write(t, r.server, "refused")
		rst, err := r.lab.Wire().Await(r.ctx, func(s wire.Segment) bool { return s.Kind == wire.KindRST && s.Delivered })
		if err != nil || rst.From != "router" || rst.Src != r.client.Local() || rst.DeliveredTo != "server" {
			t.Errorf("IPv%d: the RST is from %q, %v, to %q (%v)", family, rst.From, rst.Src, rst.DeliveredTo, err)
		}
	}
}

func TestATranslatedSegmentBelongsToBothSides(t *testing.T) {
	for _, family := range []int{4, 6} {
		for name, set := range map[string]func(*lab.Router) error{
			"same port": (*lab.Router).Masquerade,
			"a range":   func(router *lab.Router) error { return router.TranslatePorts(2000, 2999) },
		} {
			r := connectRouted(t, family, set)
			outside := r.server.Remote()
			if port := outside.Port(); name == "same port" && port != 50000 || name == "a range" && (port < 2000 || port > 2999) {
				t.Errorf("IPv%d, %s: the server sees port %d", family, name, port)
			}
			if entry, err := r.router.Entry(r.client.Local(), r.client.Remote()); err != nil || entry.Outside != outside {
				t.Errorf("IPv%d, %s: the entry's is %v (%v), the server's %v", family, name, entry.Outside, err, outside)
			}
			s := r.write(t, r.client, "there")
			if !s.Delivered || !s.Translated() || s.OutSrc != outside || s.Src != r.client.Local() {
				t.Errorf("IPv%d, %s: delivered %v, %v sent on as %v", family, name, s.Delivered, s.Src, s.OutSrc)
			}
			back := r.write(t, r.server, "and back")
			if back.OutDst != r.client.Local() || back.Reached() != r.client.Local() {
				t.Errorf("IPv%d, %s: sent on to %v", family, name, back.OutDst)
			}
			if len(r.lab.Wire().Conversations()) != 1 {
				t.Errorf("IPv%d, %s: one connection is %d conversations", family, name, len(r.lab.Wire().Conversations()))
			}
			for side, c := range map[string]*wire.Conversation{
				"client": r.lab.Wire().Conversation(r.client.Local(), r.client.Remote()),
				"server": r.lab.Wire().Conversation(outside, r.server.Local()),
			} {
				if got := len(c.Segments()); got < 5 {
					t.Errorf("IPv%d, %s: the %s's conversation has %d segments:\n%v", family, name, side, got, c)
				}
				for _, s := range c.Segments() {
					if s.Kind.IsRetransmission() || s.RelAck > 20 {
						t.Errorf("IPv%d, %s: the sides are not one connection:\n%v", family, name, c)
					}
				}
			}
		}
	}
}

// What a NAT has not sent on is nobody's but its sender's side.
func TestWhatANATDropsIsToldOnItsSendersSide(t *testing.T) {
	r := connectRouted(t, 4, (*lab.Router).Masquerade)
	if err := r.router.Forget(r.client.Local(), r.client.Remote()); err != nil {
		t.Fatal(err)
	}
	lost := r.write(t, r.server, "to whom?")
	all := r.lab.Wire().Conversations()
	if lost.Delivered || len(all) != 2 {
		t.Fatalf("delivered %v, %d conversations", lost.Delivered, len(all))
	}
	for i, c := range all {
		if told := strings.Contains(c.String(), "to whom?"); told != (i == 1) {
			t.Errorf("conversation %d tells it: %v\n%v", i+1, told, c)
		}
	}
}

func TestARouterSwallowsWhatConnectionTrackingHasSeen(t *testing.T) {
	r := connectRouted(t, 4, func(router *lab.Router) error { return router.Firewall(nil) })
	filter, err := r.router.Swallow(r.lab.Hosts()[0], lab.FINs)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.client.Shutdown(r.ctx, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	fin, err := r.lab.Wire().Await(r.ctx, func(s wire.Segment) bool { return s.Kind == wire.KindFIN })
	if err != nil {
		t.Fatal(err)
	}
	if err := r.lab.Wire().Sync(r.ctx); err != nil || fin.Delivered {
		t.Errorf("the FIN is delivered: %v (%v)", fin.Delivered, err)
	}
	if entry, err := r.router.Entry(r.client.Local(), r.client.Remote()); err != nil || entry.State == lab.EntryEstablished {
		t.Errorf("the entry is %s (%v)", entry.State, err)
	}
	if err := filter.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.lab.Wire().Await(r.ctx, func(s wire.Segment) bool { return s.Kind == wire.KindRetransmittedFIN && s.Delivered }); err != nil {
		t.Error(err)
	}
}
