package quic_test

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/halfopen/halfopen/harness/internal/testhost"
	"github.com/halfopen/halfopen/harness/quic"
)

func TestMain(m *testing.M) { testhost.Main(m) }

// A client on lo of a host is told of another address there, and moves to it.
func TestAClientMovesToANewAddress(t *testing.T) {
	lo := testhost.New(t)
	at := netip.MustParseAddrPort("127.0.0.1:7000")
	server := testhost.Started(t, quic.Server{Address: at}.Start)
	testhost.Await(t, server, quic.Listening)
	client := testhost.Started(t, quic.Client{Local: netip.MustParseAddrPort("127.0.0.1:50000"), Server: at, Migrate: true}.Start)
	if answer := testhost.Await(t, client, quic.Answered); answer.Text != quic.Greeting {
		t.Errorf("the answer is %q, and was to be the echo of %q", answer.Text, quic.Greeting)
	}
	if heard := testhost.Await(t, server, quic.Heard); heard.From != "127.0.0.1:50000" {
		t.Errorf("the server has heard it from %s", heard.From)
	}

	other, err := netlink.ParseAddr("192.0.2.1/32")
	if err == nil {
		err = netlink.AddrAdd(lo, other)
	}
	if err != nil {
		t.Fatal(err)
	}
	if moved := testhost.Await(t, client, quic.Migrated); moved.From != "192.0.2.1:50000" {
		t.Errorf("the client has moved to %s", moved.From)
	}
}
