// Package rig is the smallest LAN that the tests of package wire need: a switch and three hosts
// ("client", "server", "bystander"), each a network namespace on a thread of its own, with
// 192.0.2.1 to .3 and 2001:db8::1 to ::3. Package harness/lab is the real thing; it imports
// wire, so wire's own tests cannot use it.
package rig

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/sandbox"
)

// Main runs the tests in namespaces of their own.
func Main(m *testing.M) int {
	if err := sandbox.Enter(sandbox.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return m.Run()
}

// Stack is one network namespace.
type Stack struct {
	jobs chan func()
	tid  int
}

func newStack(t testing.TB) *Stack {
	t.Helper()
	s := &Stack{jobs: make(chan func())}
	ready := make(chan error)
	go func() {
		// Never unlocked: the thread dies with the goroutine, and the namespace with it.
		runtime.LockOSThread()
		s.tid = unix.Gettid()
		ready <- unix.Unshare(unix.CLONE_NEWNET)
		for job := range s.jobs {
			job()
		}
	}()
	if err := <-ready; err != nil {
		t.Fatalf("no network namespace: %v", err)
	}
	return s
}

// Do runs the function in the namespace.
func (s *Stack) Do(run func() error) error {
	result := make(chan error)
	s.jobs <- func() { result <- run() }
	return <-result
}

func (s *Stack) close() { close(s.jobs) }

// Host is a host with its cable.
type Host struct {
	*Stack
	rig  *LAN
	name string
	last int // last number of the addresses
}

// Name is the host's.
func (h *Host) Name() string { return h.name }

// IP4 and IP6 are the host's addresses.
func (h *Host) IP4() netip.Addr { return netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", h.last)) }
func (h *Host) IP6() netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", h.last)) }

// LAN is a switch with its hosts.
type LAN struct {
	t                         testing.TB
	Switch                    *Stack
	Client, Server, Bystander *Host
	// PortMade is called in the switch's namespace when a port has been made, before it is up.
	PortMade func(name string, ifindex int)
}

// New builds the LAN; it goes with the test.
func New(t testing.TB, portMade func(name string, ifindex int), prepare func() error) *LAN {
	t.Helper()
	l := &LAN{t: t, Switch: newStack(t), PortMade: portMade}
	t.Cleanup(l.Switch.close)
	l.must("switch", l.Switch.Do(func() error {
		if err := write("net/ipv6/conf/default/disable_ipv6", "1"); err != nil {
			return err
		}
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "switch"}}
		if err := netlink.LinkAdd(bridge); err != nil {
			return err
		}
		return netlink.LinkSetUp(bridge)
	}))
	l.must("capture", l.Switch.Do(prepare))
	l.Client = l.plug("client", 1)
	l.Server = l.plug("server", 2)
	l.Bystander = l.plug("bystander", 3)
	return l
}

func (l *LAN) must(what string, err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatalf("%s: %v", what, err)
	}
}

func (l *LAN) plug(name string, last int) *Host {
	l.t.Helper()
	h := &Host{rig: l, name: name, last: last}
	l.boot(h)
	l.t.Cleanup(func() { h.close() })
	return h
}

func (l *LAN) boot(h *Host) {
	l.t.Helper()
	h.Stack = newStack(l.t)
	mac := net.HardwareAddr{2, 0, 0, 0, 0, byte(h.last)}
	l.must("cable of "+h.name, l.Switch.Do(func() error {
		bridge, err := netlink.LinkByName("switch")
		if err != nil {
			return err
		}
		cable := &netlink.Veth{
			LinkAttrs:        netlink.LinkAttrs{Name: h.name, MasterIndex: bridge.Attrs().Index},
			PeerName:         "eth0",
			PeerHardwareAddr: mac,
			PeerNamespace:    netlink.NsPid(h.tid),
		}
		if err := netlink.LinkAdd(cable); err != nil {
			return err
		}
		port, err := netlink.LinkByName(h.name)
		if err != nil {
			return err
		}
		l.PortMade(h.name, port.Attrs().Index)
		return netlink.LinkSetUp(port)
	}))
	l.must("host "+h.name, h.Do(func() error {
		eth0, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(eth0); err != nil {
			return err
		}
		for _, address := range []string{h.IP4().String() + "/24", h.IP6().String() + "/64"} {
			parsed, err := netlink.ParseAddr(address)
			if err != nil {
				return err
			}
			parsed.Flags = unix.IFA_F_NODAD
			if err := netlink.AddrAdd(eth0, parsed); err != nil {
				return fmt.Errorf("%s: %w", address, err)
			}
		}
		return nil
	}))
}

// Reboot gives the host a new network stack with the same addresses, and a new cable. Its old
// sockets live on, cut off, until they are closed.
func (h *Host) Reboot() {
	h.rig.t.Helper()
	h.rig.must("power off", h.rig.Switch.Do(func() error {
		port, err := netlink.LinkByName(h.name)
		if err != nil {
			return err
		}
		return netlink.LinkDel(port)
	}))
	h.close()
	h.rig.boot(h)
}

// Unplug and Replug take the host's cable out of the switch and put it back.
func (h *Host) Unplug() { h.port(netlink.LinkSetDown) }
func (h *Host) Replug() { h.port(netlink.LinkSetUp) }

func (h *Host) port(set func(netlink.Link) error) {
	h.rig.t.Helper()
	h.rig.must("cable of "+h.name, h.rig.Switch.Do(func() error {
		port, err := netlink.LinkByName(h.name)
		if err != nil {
			return err
		}
		return set(port)
	}))
}

// Sysctl sets a value below /proc/sys in the host's namespace.
func (h *Host) Sysctl(path, value string) {
	h.rig.t.Helper()
	h.rig.must("sysctl "+path, h.Do(func() error { return write(path, value) }))
}

func write(path, value string) error { return os.WriteFile("/proc/sys/"+path, []byte(value), 0) }

// Listen opens a listener on the host, at a port of the kernel's choice.
func (h *Host) Listen(ip netip.Addr) net.Listener {
	h.rig.t.Helper()
	var listener net.Listener
	h.rig.must("listen", h.Do(func() (err error) {
		config := net.ListenConfig{KeepAlive: -1}
		config.SetMultipathTCP(false)
		listener, err = config.Listen(context.Background(), "tcp", netip.AddrPortFrom(ip, 0).String())
		return err
	}))
	h.rig.t.Cleanup(func() { listener.Close() })
	return listener
}

// Dial connects from the host; port 0 leaves the local port to the kernel.
func (h *Host) Dial(ctx context.Context, local netip.AddrPort, remote string) (*net.TCPConn, error) {
	var connection net.Conn
	err := h.Do(func() (err error) {
		dialer := net.Dialer{KeepAlive: -1, LocalAddr: net.TCPAddrFromAddrPort(local)}
		dialer.SetMultipathTCP(false)
		connection, err = dialer.DialContext(ctx, "tcp", remote)
		return err
	})
	if err != nil {
		return nil, err
	}
	h.rig.t.Cleanup(func() { connection.Close() })
	return connection.(*net.TCPConn), nil
}

// Connect makes a connection from client to server, over IPv4 or IPv6.
func (l *LAN) Connect(ctx context.Context, ipv6 bool) (client, server *net.TCPConn) {
	l.t.Helper()
	from, to := l.Client.IP4(), l.Server.IP4()
	if ipv6 {
		from, to = l.Client.IP6(), l.Server.IP6()
	}
	listener := l.Server.Listen(to)
	client, err := l.Client.Dial(ctx, netip.AddrPortFrom(from, 0), listener.Addr().String())
	l.must("connect", err)
	accepted, err := listener.Accept()
	l.must("accept", err)
	l.t.Cleanup(func() { accepted.Close() })
	return client, accepted.(*net.TCPConn)
}

// Ends are the addresses of a connection, its own first.
func Ends(connection *net.TCPConn) (local, remote netip.AddrPort) {
	return connection.LocalAddr().(*net.TCPAddr).AddrPort(), connection.RemoteAddr().(*net.TCPAddr).AddrPort()
}
