package socket_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/internal/testhost"
	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/socket"
)

func TestMain(m *testing.M) { testhost.Main(m) }

var families = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}

// stage is a network namespace of the test's own, with two processes in it.
type stage struct {
	ctx            context.Context
	client, server *process.Process
	diag           *socket.Diag
}

// connection is an established one; its ends are held by the two processes.
type connection struct {
	client, server, listener *process.Socket
}

// newStage locks the thread for good: the namespace ends with it.
func newStage(t *testing.T) *stage {
	t.Helper()
	testhost.New(t)
	var err error
	s := &stage{}
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	for name, p := range map[string]**process.Process{"client": &s.client, "server": &s.server} {
		if *p, err = process.Start(process.Options{Name: name}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { (*p).Stop() })
	}
	if s.diag, err = socket.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.diag.Close() })
	return s
}

func (s *stage) connect(t *testing.T, addr netip.Addr, listening ...process.Option) connection {
	t.Helper()
	var c connection
	var err error
	if c.listener, err = s.server.Listen(s.ctx, netip.AddrPortFrom(addr, 0), listening...); err != nil {
		t.Fatal(err)
	}
	if c.client, err = s.client.Dial(s.ctx, netip.AddrPort{}, c.listener.Local()); err != nil {
		t.Fatal(err)
	}
	if c.server, err = c.listener.Accept(s.ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

// look is the snapshot of one end.
func (s *stage) look(t *testing.T, end *process.Socket) socket.Snapshot {
	t.Helper()
	snapshot, err := s.diag.Get(end.Local(), end.Remote())
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

// eachFamily runs a test over IPv4 and IPv6, each on a stage of its own.
func eachFamily(t *testing.T, test func(g *WithT, t *testing.T, s *stage, addr netip.Addr)) {
	for _, addr := range families {
		t.Run(addr.String(), func(t *testing.T) { test(NewWithT(t), t, newStage(t), addr) })
	}
}

func TestAnIdleConnection(t *testing.T) {
	eachFamily(t, func(g *WithT, t *testing.T, s *stage, addr netip.Addr) {
		c := s.connect(t, addr)
		before := mono.Now()
		got := s.look(t, c.client)
		g.Expect(got.At).To(And(BeNumerically(">", before), BeNumerically("<", mono.Now())))
		g.Expect(got.State).To(Equal(socket.Established))
		g.Expect(got.Local).To(Equal(c.client.Local()))
		g.Expect(got.Remote).To(Equal(c.client.Remote()))
		g.Expect(got.Timer).To(BeZero())
		g.Expect(got.Inode).NotTo(BeZero())
		g.Expect(got.Orphaned()).To(BeFalse())
		g.Expect(got.Info.State).To(Equal(socket.Established))
		g.Expect(got.Info.RTO).To(BeNumerically(">=", 200*time.Millisecond))
		g.Expect(got.Info.SRTT).To(And(BeNumerically(">", 0), BeNumerically("<", time.Second)))
		g.Expect(got.Info.CongestionState).To(Equal(socket.CAOpen))
		g.Expect(got.Info.SendMSS).To(BeNumerically(">", 500))
		g.Expect(got.String()).To(ContainSubstring("ESTABLISHED, no timer"))

		_, err := c.client.Write(s.ctx, []byte("hello"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(s.look(t, c.server)).To(HaveField("ReceiveQueue", uint32(5)))
		g.Expect(s.look(t, c.client).Info.BytesSent).To(Equal(5))
	})
}

func TestKeepaliveIsArmedTheMomentItIsSet(t *testing.T) {
	eachFamily(t, func(g *WithT, t *testing.T, s *stage, addr netip.Addr) {
		c := s.connect(t, addr)
		g.Expect(s.look(t, c.client).Timer.Kind).To(Equal(socket.NoTimer))
		g.Expect(c.client.SetInt(s.ctx, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 100)).To(Succeed())
		g.Expect(c.client.SetInt(s.ctx, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)).To(Succeed())
		armed := s.look(t, c.client).Timer
		g.Expect(armed.Kind).To(Equal(socket.Keepalive))
		g.Expect(armed.Count).To(BeZero())
		g.Expect(armed.Expires).To(And(BeNumerically(">", 98*time.Second), BeNumerically("<", 113*time.Second)))
		g.Expect(c.client.SetInt(s.ctx, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0)).To(Succeed())
		g.Expect(s.look(t, c.client).Timer).To(BeZero())
	})
}

func TestTheStatesOfAClose(t *testing.T) {
	eachFamily(t, func(g *WithT, t *testing.T, s *stage, addr netip.Addr) {
		c := s.connect(t, addr)
		g.Expect(s.look(t, c.listener).State).To(Equal(socket.Listen))

		_, err := s.client.Kill()
		g.Expect(err).NotTo(HaveOccurred())
		r, err := c.server.Read(s.ctx, 10)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(r.EOF).To(BeTrue())
		g.Expect(s.look(t, c.server).State).To(Equal(socket.CloseWait))
		// The ACK of the FIN may be a delayed one.
		g.Eventually(func() socket.Snapshot { return s.look(t, c.client) }).Should(HaveField("State", socket.FinWait2))
		orphan := s.look(t, c.client)
		g.Expect(orphan.Orphaned()).To(BeTrue())
		g.Expect(orphan.Info).To(BeNil())
		g.Expect(orphan.Timer.Kind).To(Equal(socket.TimeWaitTimer))
		g.Expect(orphan.Timer.Expires).To(BeNumerically("~", 62*time.Second, 5*time.Second))

		g.Expect(c.server.Close(s.ctx)).To(Succeed())
		g.Expect(s.look(t, c.server).State).To(Equal(socket.Gone), "and not the listener on its port")
		g.Expect(s.look(t, c.client).State).To(Equal(socket.TimeWait))
		g.Expect(s.look(t, c.client).State.String()).To(Equal("TIME-WAIT"))
		g.Expect(s.diag.Destroy(c.server.Local(), c.server.Remote())).To(MatchError(unix.ENOENT))
		g.Expect(s.look(t, c.listener).State).To(Equal(socket.Listen), "it was not taken for the connection")

		g.Expect(c.listener.Close(s.ctx)).To(Succeed())
		g.Expect(s.look(t, c.listener).State).To(Equal(socket.Gone))
	})
}

func TestAClosedWindow(t *testing.T) {
	eachFamily(t, func(g *WithT, t *testing.T, s *stage, addr netip.Addr) {
		before, err := socket.ReadCounters()
		g.Expect(err).NotTo(HaveOccurred())
		c := s.connect(t, addr, process.SockOpt(unix.SOL_SOCKET, unix.SO_RCVBUF, 64<<10))
		filled, err := c.client.WriteUntilBlocked(s.ctx)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(filled.N).To(BeNumerically(">", 64<<10))
		g.Eventually(func() socket.Timer { return s.look(t, c.client).Timer }).WithTimeout(3 * time.Second).
			Should(And(HaveField("Kind", socket.Persist), HaveField("Expires", BeNumerically(">", 0))))
		stuck := s.look(t, c.client)
		g.Expect(stuck.SendQueue).To(BeNumerically(">", 0))
		g.Expect(stuck.Info.NotSent).To(BeNumerically(">", 0))
		g.Expect(s.look(t, c.server).ReceiveQueue + stuck.SendQueue).To(BeNumerically(">=", filled.N))

		after, err := socket.ReadCounters()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(risen(before, after, "PassiveOpens")).To(Equal(1))
		g.Expect(risen(before, after, "NoSuchCounter")).To(BeZero())
	})
}

func TestARetransmission(t *testing.T) {
	g := NewWithT(t)
	s := newStage(t)
	// A cable to nobody, and a neighbour there that needs no resolution.
	attributes := netlink.NewLinkAttrs()
	attributes.Name = "near"
	g.Expect(netlink.LinkAdd(&netlink.Veth{LinkAttrs: attributes, PeerName: "far"})).To(Succeed())
	near, err := netlink.LinkByName("near")
	g.Expect(err).NotTo(HaveOccurred())
	far, err := netlink.LinkByName("far")
	g.Expect(err).NotTo(HaveOccurred())
	address, err := netlink.ParseAddr("192.0.2.1/24")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(netlink.AddrAdd(near, address)).To(Succeed())
	g.Expect(netlink.LinkSetUp(near)).To(Succeed())
	g.Expect(netlink.LinkSetUp(far)).To(Succeed())
	g.Expect(netlink.NeighSet(&netlink.Neigh{LinkIndex: near.Attrs().Index, State: netlink.NUD_PERMANENT,
		IP: []byte{192, 0, 2, 2}, HardwareAddr: []byte{2, 0, 0, 0, 0, 2}})).To(Succeed())

	before, err := socket.ReadCounters()
	g.Expect(err).NotTo(HaveOccurred())
	dialing, err := s.client.StartDial(s.ctx, netip.MustParseAddrPort("192.0.2.1:4000"), netip.MustParseAddrPort("192.0.2.2:7"))
	g.Expect(err).NotTo(HaveOccurred())
	state := func() socket.Snapshot { return s.look(t, dialing.Socket) }
	g.Eventually(state).Should(HaveField("State", socket.SynSent))
	g.Expect(state().Timer.Kind).To(Equal(socket.Retransmission))
	g.Expect(state().Timer.Expires).To(BeNumerically("<=", 1100*time.Millisecond))
	g.Eventually(state).WithTimeout(3 * time.Second).Should(HaveField("Timer.Count", 1))
	g.Expect(state().Info.Retransmits).To(Equal(1))
	after, err := socket.ReadCounters()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(risen(before, after, "TCPTimeouts")).To(Equal(1))
	g.Expect(risen(before, after, "RetransSegs")).To(Equal(1))

	g.Expect(s.diag.Destroy(dialing.Socket.Local(), dialing.Socket.Remote())).To(Succeed())
	_, err = dialing.Wait(s.ctx)
	g.Expect(err).To(MatchError(unix.ECONNABORTED))
}

func TestDestroy(t *testing.T) {
	eachFamily(t, func(g *WithT, t *testing.T, s *stage, addr netip.Addr) {
		c := s.connect(t, addr)
		reads := []*process.Pending{c.client.StartRead(10), c.server.StartRead(10)}
		before, err := socket.ReadCounters()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(s.diag.Destroy(c.client.Local(), c.client.Remote())).To(Succeed())
		for i, want := range []unix.Errno{unix.ECONNABORTED, unix.ECONNRESET} {
			r, err := reads[i].Wait(s.ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(r.Errno).To(Equal(want))
		}
		g.Expect(s.look(t, c.client).State).To(Equal(socket.Gone))
		g.Expect(s.look(t, c.server).State).To(Equal(socket.Gone))
		after, err := socket.ReadCounters()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(risen(before, after, "OutRsts")).To(Equal(1))
	})
}

func TestListAndDestroyAll(t *testing.T) {
	g := NewWithT(t)
	s := newStage(t)
	g.Expect(s.diag.List()).To(BeEmpty())
	for _, addr := range families {
		s.connect(t, addr)
	}
	dying := s.connect(t, families[0])
	g.Expect(dying.client.Close(s.ctx)).To(Succeed())
	g.Expect(dying.server.Close(s.ctx)).To(Succeed())

	all, err := s.diag.List()
	g.Expect(err).NotTo(HaveOccurred())
	var states []string
	for _, one := range all {
		states = append(states, one.State.String())
	}
	g.Expect(states).To(ConsistOf("LISTEN", "LISTEN", "LISTEN",
		"ESTABLISHED", "ESTABLISHED", "ESTABLISHED", "ESTABLISHED", "TIME-WAIT"))

	g.Expect(s.diag.DestroyAll()).To(Succeed())
	g.Expect(s.diag.List()).To(BeEmpty())
	g.Expect(s.diag.DestroyAll()).To(Succeed())
}

func TestDiagKeepsItsNamespace(t *testing.T) {
	g := NewWithT(t)
	s := newStage(t)
	c := s.connect(t, families[0])
	got := make(chan socket.Snapshot, 8)
	for range cap(got) {
		go func() { // on threads that are elsewhere
			snapshot, err := s.diag.Get(c.client.Local(), c.client.Remote())
			if err != nil {
				t.Error(err)
			}
			got <- snapshot
		}()
	}
	for range cap(got) {
		g.Expect((<-got).State).To(Equal(socket.Established))
	}
	g.Expect(s.diag.Close()).To(Succeed())
	g.Expect(s.diag.Close()).To(Succeed())
	_, err := s.diag.Get(c.client.Local(), c.client.Remote())
	g.Expect(err).To(MatchError(ContainSubstring("closed")))
}

// risen is by how much a counter has risen; one that the kernel does not have is 0.
func risen(before, after socket.Counters, name string) int {
	then, _ := before.Value(name)
	now, _ := after.Value(name)
	return int(now - then)
}

func TestCounters(t *testing.T) {
	g := NewWithT(t)
	s := newStage(t)
	fresh, err := socket.ReadCounters()
	g.Expect(err).NotTo(HaveOccurred())
	fresh6, err := socket.ReadIPv6Counters()
	g.Expect(err).NotTo(HaveOccurred())
	counters := func(name string) socket.Counters {
		if socket.OfIPv6(name) {
			return fresh6
		}
		return fresh
	}
	for _, name := range []string{"ActiveOpens", "OutRsts", "EstabResets", "RetransSegs", "TCPTimeouts", "TCPKeepAlive", "TCPAbortOnTimeout",
		"TCPAbortOnClose", "TCPAbortOnData", "TCPLossProbes", "IpOutNoRoutes", "IcmpInMsgs", "Ip6OutNoRoutes", "Icmp6InErrors", "Udp6InErrors"} {
		value, known := counters(name).Value(name)
		g.Expect(known).To(BeTrue(), name)
		g.Expect(value).To(BeZero(), "%s is that of this namespace", name)
	}
	forever, _ := fresh.Value("MaxConn")
	g.Expect(int64(forever)).To(Equal(int64(-1)))
	_, known := fresh6.Value("Ip6OutNoRoute")
	g.Expect(known).To(BeFalse(), "a part of a name is none")
	_, err = s.client.Dial(s.ctx, netip.AddrPort{}, netip.AddrPortFrom(families[1], 9))
	g.Expect(err).To(MatchError(unix.ECONNREFUSED))
	now, err := socket.ReadCounters()
	g.Expect(err).NotTo(HaveOccurred())
	for name, by := range map[string]int{"ActiveOpens": 1, "OutRsts": 1, "RetransSegs": 0} {
		g.Expect(risen(fresh, now, name)).To(Equal(by), name)
	}
	now, err = socket.ReadIPv6Counters()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(risen(fresh6, now, "Ip6OutRequests")).To(Equal(2))
}

func BenchmarkGet(b *testing.B) {
	testhost.New(b)
	diag, err := socket.Open()
	if err != nil {
		b.Fatal(err)
	}
	defer diag.Close()
	for b.Loop() {
		if _, err := diag.Get(netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2")); err != nil {
			b.Fatal(err)
		}
	}
}
