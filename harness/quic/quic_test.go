package quic_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/quic"
	"github.com/halfopen/halfopen/harness/sandbox"
)

func TestMain(m *testing.M) {
	process.RunRole()
	if err := sandbox.Enter(sandbox.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// A client on lo of a host is told of another address there, and moves to it.
func TestAClientMovesToANewAddress(t *testing.T) {
	lo := host(t)
	at := netip.MustParseAddrPort("127.0.0.1:7000")
	server, err := quic.Server{Address: at}.Start()
	started(t, server, err)
	await(t, server, quic.Listening)
	client, err := quic.Client{Local: netip.MustParseAddrPort("127.0.0.1:50000"), Server: at, Migrate: true}.Start()
	started(t, client, err)
	if answer := await(t, client, quic.Answered); answer.Text != quic.Greeting {
		t.Errorf("the answer is %q, and was to be the echo of %q", answer.Text, quic.Greeting)
	}
	if heard := await(t, server, quic.Heard); heard.From != "127.0.0.1:50000" {
		t.Errorf("the server has heard it from %s", heard.From)
	}

	other, err := netlink.ParseAddr("192.0.2.1/32")
	if err == nil {
		err = netlink.AddrAdd(lo, other)
	}
	if err != nil {
		t.Fatal(err)
	}
	if moved := await(t, client, quic.Migrated); moved.From != "192.0.2.1:50000" {
		t.Errorf("the client has moved to %s", moved.From)
	}
}

// host gives the test's goroutine a network namespace with lo up, for as long as its thread lives.
func host(t *testing.T) netlink.Link {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		t.Fatalf("set lo up: %v", err)
	}
	return lo
}

func started(t *testing.T, p *process.Program, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// await is the next event of that kind.
func await(t *testing.T, p *process.Program, what quic.Happening) (event quic.Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	line, err := p.Await(ctx, func(line process.Line) bool {
		event, ok := quic.Read(line)
		return ok && event.What == what
	})
	if err != nil {
		t.Fatalf("await %q: %v", what, err)
	}
	event, _ = quic.Read(line)
	return event
}
