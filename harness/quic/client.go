package quic

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"

	quicgo "github.com/quic-go/quic-go"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/process"
)

// Greeting is the line that the client says first, Again the one that it says from another address.
const (
	Greeting = "are you there?"
	Again    = "still there?"
)

// call is the client's life; it returns why it ended.
func (c *Client) call() error {
	// An address is told of before it can be bound to (RTM_NEWADDR leaves __inet_insert_ifa before the local
	// route is there): its route is what says that the host has it.
	routes := make(chan netlink.RouteUpdate, 16)
	if err := netlink.RouteSubscribe(routes, make(chan struct{})); err != nil {
		return fmt.Errorf("watch the host's routes: %w", err)
	}
	ctx := context.Background()
	transport, err := transportAt(c.Local)
	if err != nil {
		return err
	}
	trusting := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}} // see the package's documentation
	conn, err := transport.Dial(ctx, net.UDPAddrFromAddrPort(c.Server), trusting, settings())
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return fmt.Errorf("open a stream: %w", err)
	}
	go hear(stream)
	if _, err := fmt.Fprintln(stream, Greeting); err != nil {
		return fmt.Errorf("say %q: %w", Greeting, err)
	}
	var address netip.Addr // a new one of the host's, until the server can be reached from it
	for {
		select {
		case <-conn.Context().Done():
			return context.Cause(conn.Context())
		case route := <-routes:
			if c.Deaf || route.Type != unix.RTM_NEWROUTE {
				continue
			}
			if route.Route.Type == unix.RTN_LOCAL {
				local, _ := netip.AddrFromSlice(route.Dst.IP)
				if local = local.Unmap(); local.IsGlobalUnicast() && local.Is4() == c.Server.Addr().Is4() {
					address = local
				}
			}
			if !address.IsValid() || !reaches(address, c.Server) {
				continue
			}
			if c.Migrate {
				if err := migrate(ctx, conn, netip.AddrPortFrom(address, c.Local.Port())); err != nil {
					return err
				}
			}
			if _, err := fmt.Fprintln(stream, Again); err != nil {
				return fmt.Errorf("say %q: %w", Again, err)
			}
			address = netip.Addr{}
		}
	}
}

// reaches tells whether datagrams from an address find a way to the server. The local route of an IPv4 address
// is there before the one to its network (fib_add_ifaddr); what is sent between the two is lost, and sent
// again no sooner than after 200 ms.
func reaches(address netip.Addr, server netip.AddrPort) bool {
	socket, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(address, 0)), net.UDPAddrFromAddrPort(server))
	if err != nil {
		return false
	}
	socket.Close()
	return true
}

// migrate validates the path from another address and switches to it.
func migrate(ctx context.Context, conn *quicgo.Conn, to netip.AddrPort) error {
	transport, err := transportAt(to)
	if err != nil {
		return err
	}
	path, err := conn.AddPath(transport)
	if err != nil {
		return fmt.Errorf("add the path from %s: %w", to, err)
	}
	if err := path.Probe(ctx); err != nil {
		return fmt.Errorf("probe the path from %s: %w", to, err)
	}
	if err := path.Switch(); err != nil {
		return fmt.Errorf("switch to the path from %s: %w", to, err)
	}
	process.Tell(process.Event{What: Migrated, From: to.String()})
	return nil
}

func transportAt(local netip.AddrPort) (*quicgo.Transport, error) {
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(local))
	if err != nil {
		return nil, fmt.Errorf("open the client's socket: %w", err)
	}
	return &quicgo.Transport{Conn: lossy{socket}}, nil
}

// lossy takes a datagram that finds no way out for a lost one. An acknowledgement may still be due on the
// old path when its address is gone, and quic-go ends the connection by any error of its socket but
// EMSGSIZE (sendQueue.Run): two of three migrations over IPv4 were seen to end so in a guest.
type lossy struct{ *net.UDPConn }

// WriteMsgUDP is what quic-go sends by.
func (l lossy) WriteMsgUDP(b, oob []byte, to *net.UDPAddr) (n, oobn int, err error) {
	n, oobn, err = l.UDPConn.WriteMsgUDP(b, oob, to)
	if errors.Is(err, unix.ENETUNREACH) {
		return len(b), len(oob), nil
	}
	return n, oobn, err
}

// hear tells what the server says.
func hear(stream *quicgo.Stream) {
	lines := bufio.NewScanner(stream)
	for lines.Scan() {
		process.Tell(process.Event{What: Answered, Text: lines.Text()})
	}
}
