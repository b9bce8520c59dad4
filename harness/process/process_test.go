package process_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/internal/testhost"
	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process"
)

// victimVariable marks a test binary that only starts a process and a holder and waits for its own
// SIGKILL.
const victimVariable = "HALFOPEN_TEST_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victimVariable) != "" {
		beVictim()
	}
	testhost.Main(m)
}

var families = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}

func start(t testing.TB, name string) *process.Process {
	t.Helper()
	p, err := process.Start(process.Options{Name: name})
	return stopped(t, p, err)
}

// stopped is a process that was started and is stopped when the test ends.
func stopped(t testing.TB, p *process.Process, err error) *process.Process {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// connection is an established one: the client's end held by one process, the server's by another.
type connection struct {
	client, server *process.Socket
	listener       *process.Socket
}

func connect(t testing.TB, ctx context.Context, client, server *process.Process, addr netip.Addr, opts ...process.Option) connection {
	t.Helper()
	var c connection
	var err error
	if c.listener, err = server.Listen(ctx, netip.AddrPortFrom(addr, 0)); err != nil {
		t.Fatal(err)
	}
	if c.client, err = client.Dial(ctx, netip.AddrPortFrom(addr, 0), c.listener.Local(), opts...); err != nil {
		t.Fatal(err)
	}
	if c.server, err = c.listener.Accept(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestEachFamily(t *testing.T) {
	for _, addr := range families {
		t.Run(addr.String(), func(t *testing.T) {
			g := NewWithT(t)
			testhost.New(t)
			ctx := within(t, 10*time.Second)
			c := connect(t, ctx, start(t, "client"), start(t, "server"), addr)
			g.Expect(c.client.Remote()).To(Equal(c.listener.Local()))
			g.Expect(c.client.Local()).To(Equal(c.server.Remote()))
			g.Expect(c.server.Local()).To(Equal(c.client.Remote()))

			pending := c.server.StartRead(100)
			g.Consistently(pending.Done(), "30ms").ShouldNot(BeClosed())
			before := mono.Now()
			written, err := c.client.Write(ctx, []byte("are you there?"))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(written).To(HaveField("N", 14))
			read, err := pending.Wait(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(read.Data)).To(Equal("are you there?"))
			g.Expect(read.At).To(And(BeNumerically(">", before), BeNumerically("<", mono.Now())))
			g.Expect(read.At).To(BeNumerically("~", written.At, 100*time.Millisecond))

			g.Expect(c.client.Shutdown(ctx, unix.SHUT_WR)).To(Succeed())
			read, err = c.server.Read(ctx, 100)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(read.EOF).To(BeTrue())
			g.Expect(read.String()).To(Equal("EOF"))
		})
	}
}

func TestSocketsAreAsTheKernelMakesThem(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 10*time.Second)
	c := connect(t, ctx, start(t, "client"), start(t, "server"), families[0])
	for _, s := range []*process.Socket{c.client, c.server, c.listener} {
		g.Expect(s.Int(ctx, unix.SOL_SOCKET, unix.SO_KEEPALIVE)).To(Equal(0))
		g.Expect(s.Int(ctx, unix.SOL_SOCKET, unix.SO_PROTOCOL)).To(Equal(unix.IPPROTO_TCP))
		g.Expect(s.Int(ctx, unix.IPPROTO_TCP, unix.TCP_NODELAY)).To(Equal(0))
	}
}

func TestOptions(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 10*time.Second)
	c := connect(t, ctx, start(t, "client"), start(t, "server"), families[0],
		process.NoDelay(), process.SockOpt(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 1234))
	g.Expect(c.client.Int(ctx, unix.IPPROTO_TCP, unix.TCP_NODELAY)).To(Equal(1))
	g.Expect(c.client.Int(ctx, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)).To(Equal(1234))
	g.Expect(c.client.SetInt(ctx, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 7)).To(Succeed())
	g.Expect(c.client.Int(ctx, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)).To(Equal(7))

	err := c.client.SetInt(ctx, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 128)
	g.Expect(err).To(MatchError(unix.EINVAL))
	var refusal *process.Errno
	g.Expect(errors.As(err, &refusal)).To(BeTrue())
	g.Expect(refusal.At).To(BeNumerically("~", mono.Now(), time.Second))

	_, err = c.client.Process().Dial(ctx, netip.AddrPort{}, c.listener.Local(), process.SockOpt(unix.IPPROTO_TCP, unix.TCP_SYNCNT, 128))
	g.Expect(err).To(MatchError(unix.EINVAL))
}

func TestRefusals(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 10*time.Second)
	client := start(t, "client")
	for _, addr := range families {
		_, err := client.Dial(ctx, netip.AddrPort{}, netip.AddrPortFrom(addr, 9))
		g.Expect(err).To(MatchError(unix.ECONNREFUSED))
		g.Expect(err).To(MatchError(ContainSubstring("connect to " + netip.AddrPortFrom(addr, 9).String() + ": ECONNREFUSED")))
	}
	_, err := client.Dial(ctx, netip.AddrPort{}, netip.MustParseAddrPort("192.0.2.9:9"))
	g.Expect(err).To(MatchError(unix.ENETUNREACH))
	_, err = client.Dial(ctx, netip.MustParseAddrPort("192.0.2.9:0"), netip.MustParseAddrPort("127.0.0.1:9"))
	g.Expect(err).To(MatchError(unix.EADDRNOTAVAIL))
	l, err := client.Listen(ctx, netip.MustParseAddrPort("127.0.0.1:0"))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = client.Listen(ctx, l.Local())
	g.Expect(err).To(MatchError(unix.EADDRINUSE))
}

func TestErrorsOfAConnection(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 10*time.Second)
	c := connect(t, ctx, start(t, "client"), start(t, "server"), families[0])
	waiting := c.client.StartAwait(0)
	g.Expect(c.server.SetLinger(ctx, 0)).To(Succeed())
	g.Expect(c.server.Close(ctx)).To(Succeed())

	// Waiting for events must leave SO_ERROR where it is, and so must epoll.
	seen, err := waiting.Wait(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(process.EventNames(seen.Events)).To(Equal("ERR|HUP"))
	events, at, err := c.client.AwaitEvents(ctx, unix.EPOLLIN|unix.EPOLLRDHUP)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(process.EventNames(events)).To(Equal("IN|ERR|HUP|RDHUP"))
	g.Expect(at).To(BeNumerically(">=", seen.At))
	g.Expect(c.client.Error(ctx)).To(Equal(unix.ECONNRESET))
	g.Expect(c.client.Error(ctx)).To(Equal(unix.Errno(0)))

	written, err := c.client.Write(ctx, []byte("x"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(written.Errno).To(Equal(unix.EPIPE))
	g.Expect(written.String()).To(Equal("EPIPE"))
}

func TestABlockedReadHasTheErrnoOfAReset(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 10*time.Second)
	c := connect(t, ctx, start(t, "client"), start(t, "server"), families[1])
	reads := []*process.Pending{c.client.StartRead(10), c.client.StartRead(10)}
	g.Expect(c.server.SetLinger(ctx, 0)).To(Succeed())
	g.Expect(c.server.Close(ctx)).To(Succeed())
	var results []string
	for _, read := range reads {
		r, err := read.Wait(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		results = append(results, r.String())
	}
	g.Expect(results).To(ConsistOf("ECONNRESET", "EOF"), "the error is told once")
}

func TestCloseEndsWhatIsPending(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 10*time.Second)
	c := connect(t, ctx, start(t, "client"), start(t, "server"), families[0])
	read, await := c.client.StartRead(10), c.client.StartAwait(unix.EPOLLRDHUP)
	survivor := c.server.StartRead(10)
	g.Expect(c.client.Close(ctx)).To(Succeed())
	_, err := read.Wait(ctx)
	g.Expect(err).To(MatchError(process.ErrClosed))
	_, err = await.Wait(ctx)
	g.Expect(err).To(MatchError(process.ErrClosed))
	r, err := survivor.Wait(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.EOF).To(BeTrue(), "no thread in read(2) holds the FIN back")
	_, err = c.client.Write(ctx, []byte("x"))
	g.Expect(err).To(MatchError(process.ErrClosed))
}

func TestClosesThatLingerBlockThemselvesAlone(t *testing.T) {
	var reserve process.Reserve
	for name, started := range map[string]func(testing.TB, string) *process.Process{
		"for one spec":     start,
		"from the reserve": func(t testing.TB, name string) *process.Process { return fromReserve(t, &reserve, name) },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			testhost.New(t)
			ctx := within(t, 10*time.Second)
			client, server := started(t, "client"), started(t, "server")
			began := mono.Now()
			var closing []*process.Pending
			for range 3 {
				c := connect(t, ctx, client, server, families[0])
				g.Expect(c.client.SetLinger(ctx, 1)).To(Succeed())
				full, err := c.client.WriteUntilBlocked(ctx) // more than the server's window takes, and nobody reads
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(full.N).NotTo(BeZero())
				closing = append(closing, c.client.StartClose())
			}
			another, err := client.Listen(ctx, netip.AddrPortFrom(families[0], 0))
			g.Expect(err).NotTo(HaveOccurred(), "the process serves its other sockets")
			g.Expect(another.Close(ctx)).To(Succeed())
			for _, each := range closing {
				g.Expect(each.Done()).NotTo(BeClosed())
			}
			g.Expect(mono.Now() - began).To(BeNumerically("<", time.Second))

			for _, each := range closing {
				r, err := each.Wait(ctx)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(r.Errno).To(BeZero())
				g.Expect(r.At - began).To(BeNumerically(">=", time.Second))
			}
		})
	}
}

func TestABacklogIsTheKernels(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 10*time.Second)
	server, client := start(t, "server"), start(t, "client")
	listener, err := server.ListenWithBacklog(ctx, netip.AddrPortFrom(families[0], 0), 0)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = client.Dial(ctx, netip.AddrPort{}, listener.Local())
	g.Expect(err).NotTo(HaveOccurred(), "one connection may wait")

	dialing, err := client.StartDial(ctx, netip.AddrPort{}, listener.Local())
	g.Expect(err).NotTo(HaveOccurred())
	g.Consistently(dialing.Done(), "50ms").ShouldNot(BeClosed())
}

func TestAContextEndsTheWaitOnly(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 10*time.Second)
	c := connect(t, ctx, start(t, "client"), start(t, "server"), families[0])
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	pending := c.server.StartRead(10)
	_, err := pending.Wait(short)
	g.Expect(err).To(MatchError(context.DeadlineExceeded))
	_, err = c.client.Write(ctx, []byte("late"))
	g.Expect(err).NotTo(HaveOccurred())
	r, err := pending.Wait(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(r.Data)).To(Equal("late"))
}

func TestFillingAndDraining(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 20*time.Second)
	c := connect(t, ctx, start(t, "client"), start(t, "server"), families[0], process.SockOpt(unix.SOL_SOCKET, unix.SO_SNDBUF, 64<<10))
	filled, err := c.client.WriteUntilBlocked(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(filled.N).To(BeNumerically(">", 16<<10))
	g.Expect(filled.Errno).To(BeZero())

	large := bytes.Repeat([]byte("0123456789abcdef"), 256<<10)
	write := c.client.StartWrite(large)
	var got []byte
	for len(got) < filled.N+len(large) {
		r, err := c.server.Read(ctx, 1<<20)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(r.Errno).To(BeZero())
		got = append(got, r.Data...)
	}
	r, err := write.Wait(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.N).To(Equal(len(large)))
	for i, b := range got[:filled.N] {
		if b != byte(i) {
			t.Fatalf("byte %d of the filling is %d", i, b)
		}
	}
	g.Expect(bytes.Equal(got[filled.N:], large)).To(BeTrue())
}

func TestADialThatIsUnderWay(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 10*time.Second)
	// A cable whose other end belongs to nobody, and a neighbour there that needs no resolution.
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
		IP: net.IPv4(192, 0, 2, 2), HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 2}})).To(Succeed())
	client := start(t, "client")
	dialing, err := client.StartDial(ctx, netip.MustParseAddrPort("192.0.2.1:4000"), netip.MustParseAddrPort("192.0.2.2:7"),
		process.SockOpt(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 100))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(dialing.Socket.Local()).To(Equal(netip.MustParseAddrPort("192.0.2.1:4000")))
	g.Consistently(dialing.Done(), "50ms").ShouldNot(BeClosed())
	_, err = dialing.Wait(ctx)
	g.Expect(err).To(MatchError(unix.ETIMEDOUT))
}

func TestEveryMannerOfDeath(t *testing.T) {
	for _, manner := range process.Manners() {
		t.Run(manner.String(), func(t *testing.T) {
			g := NewWithT(t)
			testhost.New(t)
			ctx := within(t, 10*time.Second)
			client := start(t, "client")
			c := connect(t, ctx, client, start(t, "server"), families[0])
			survivor := c.server.StartRead(10)
			pending := c.client.StartRead(10)

			death, err := client.Die(ctx, manner)
			g.Expect(err).NotTo(HaveOccurred())
			r, err := survivor.Wait(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(r.EOF).To(BeTrue())
			g.Expect(r.At).To(BeNumerically(">", death.At))
			g.Expect(r.At-death.At).To(BeNumerically("<", 100*time.Millisecond), "no core dump holds the FIN back")
			g.Expect(death.Gone).To(BeNumerically(">", death.At))
			t.Logf("%s: %s, EOF after %v, reaped after %v", manner, death, r.At-death.At, death.Gone-death.At)

			_, err = pending.Wait(ctx)
			g.Expect(err).To(MatchError(process.ErrDead))
			g.Expect(err).To(MatchError(ContainSubstring(death.String())))
			_, err = c.client.Write(ctx, []byte("x"))
			g.Expect(err).To(MatchError(process.ErrDead))
			_, err = client.Kill()
			g.Expect(err).To(MatchError(process.ErrDead))
			g.Expect(client.Freeze()).To(MatchError(process.ErrDead))
			if manner == process.Panicked {
				g.Expect(err).To(MatchError(ContainSubstring("panic: the spec asked for")))
			}
		})
	}
}

func TestADeathOfAnotherMannerIsAnError(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 10*time.Second)
	client := start(t, "client")
	_, err := client.Listen(ctx, netip.AddrPortFrom(families[0], 0))
	g.Expect(err).NotTo(HaveOccurred())
	// SIGTERM of a frozen process waits; SIGKILL comes first.
	g.Expect(client.Freeze()).To(Succeed())
	terminated := make(chan error)
	go func() {
		_, err := client.Die(ctx, process.Terminated)
		terminated <- err
	}()
	g.Consistently(client.Dead(), "50ms").ShouldNot(BeClosed())
	g.Expect(unix.Kill(client.PID(), unix.SIGKILL)).To(Succeed())
	g.Expect(<-terminated).To(MatchError(ContainSubstring("was to die by SIGTERM, but killed by SIGKILL")))
}

func TestFreezeAndThaw(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 10*time.Second)
	client := start(t, "client")
	c := connect(t, ctx, client, start(t, "server"), families[0])
	pending := c.client.StartRead(10)
	g.Expect(client.Freeze()).To(Succeed())
	g.Expect(client.Freeze()).To(Succeed())
	g.Expect(states(t, client.PID())).To(HaveEach("T"))

	r, err := c.server.Write(ctx, []byte("hello"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.N).To(Equal(5), "its kernel goes on")
	g.Consistently(pending.Done(), "50ms").ShouldNot(BeClosed())
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err = c.client.Error(short)
	g.Expect(err).To(MatchError(context.DeadlineExceeded))

	g.Expect(client.Thaw()).To(Succeed())
	g.Expect(client.Thaw()).To(Succeed())
	r, err = pending.Wait(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(r.Data)).To(Equal("hello"))

	g.Expect(client.Freeze()).To(Succeed())
	_, err = client.Kill()
	g.Expect(err).NotTo(HaveOccurred())
}

func TestARequestThatDoesNotFitTheChannelOfAFrozenProcess(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 10*time.Second)
	client := start(t, "client")
	c := connect(t, ctx, client, start(t, "server"), families[0])
	g.Expect(client.Freeze()).To(Succeed())
	// The deadline has to find the channel full, which 50 ms were once too short for.
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	_, err := c.client.Write(short, make([]byte, 4<<20))
	g.Expect(err).To(MatchError(context.DeadlineExceeded))
	g.Expect(err).To(MatchError(ContainSubstring("had to be killed")))
	g.Eventually(client.Dead()).Should(BeClosed())
}

// states are the scheduling states of a process's threads (proc_pid_stat(5)).
func states(t *testing.T, pid int) []string {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("threads of %d: %v", pid, err)
	}
	var all []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		all = append(all, rest[:1])
	}
	return all
}

func TestAHolderDelaysTheFIN(t *testing.T) {
	for name, end := range map[string]func(*process.Holder, context.Context) error{
		"exit": (*process.Holder).Exit,
		"kill": (*process.Holder).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			testhost.New(t)
			ctx := within(t, 10*time.Second)
			client := start(t, "client")
			c := connect(t, ctx, client, start(t, "server"), families[0])
			survivor := c.server.StartRead(10)
			holder, err := c.client.Share(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			_, err = client.Kill()
			g.Expect(err).NotTo(HaveOccurred())
			g.Consistently(survivor.Done(), "100ms").ShouldNot(BeClosed())
			g.Expect(unix.Kill(holder.PID(), 0)).To(Succeed())

			before := mono.Now()
			g.Expect(end(holder, ctx)).To(Succeed())
			r, err := survivor.Wait(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(r.EOF).To(BeTrue())
			g.Expect(r.At).To(BeNumerically(">", before))
			g.Expect(holder.Exit(ctx)).To(Succeed(), "again")
		})
	}
}

func TestAHolderLeavesNoZombieWhileItsParentLives(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 10*time.Second)
	c := connect(t, ctx, start(t, "client"), start(t, "server"), families[0])
	holder, err := c.client.Share(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(holder.Kill(ctx)).To(Succeed())
	g.Eventually(func() error { return unix.Kill(holder.PID(), 0) }).Should(MatchError(unix.ESRCH))
}

func TestNothingIsLeft(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 10*time.Second)
	round := func() []int {
		client, err := process.Start(process.Options{Name: "client"})
		g.Expect(err).NotTo(HaveOccurred())
		server, err := process.Start(process.Options{Name: "server"})
		g.Expect(err).NotTo(HaveOccurred())
		c := connect(t, ctx, client, server, families[0])
		holder, err := c.client.Share(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		c.server.StartRead(10)
		c.server.StartAwait(unix.EPOLLRDHUP)
		g.Expect(client.Stop()).To(Succeed())
		g.Expect(client.Stop()).To(Succeed())
		_, err = c.client.Read(ctx, 10)
		g.Expect(err).To(MatchError(process.ErrDead))
		g.Expect(server.Stop()).To(Succeed())
		return []int{client.PID(), server.PID(), holder.PID()}
	}
	round() // what Go keeps for good: its epoll, its first descriptors
	goroutines := gleak.Goroutines()
	files := descriptors(t)
	for range 5 {
		for _, pid := range round() {
			g.Eventually(func() bool { return alive(pid) }).Should(BeFalse())
		}
	}
	g.Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(goroutines))
	g.Expect(descriptors(t)).To(Equal(files))
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// alive tells whether a process runs: a zombie that waits for init to reap it does not.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// beVictim starts a process, a frozen one and a holder, says their IDs, and waits.
func beVictim() {
	runtime.LockOSThread()
	fail := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	ctx := context.Background()
	p, err := process.Start(process.Options{Name: "orphan"})
	fail(err)
	frozen, err := process.Start(process.Options{Name: "frozen orphan"})
	fail(err)
	s, err := p.Listen(ctx, netip.AddrPortFrom(families[0], 0))
	fail(err)
	h, err := s.Share(ctx)
	fail(err)
	fail(frozen.Freeze())
	fmt.Println(p.PID(), frozen.PID(), h.PID())
	<-p.Dead()
}

func TestSIGKILLOfTheSpecLeavesNothing(t *testing.T) {
	g := NewWithT(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), victimVariable+"=1")
	out, err := cmd.StdoutPipe()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cmd.Start()).To(Succeed())
	var pids [3]int
	_, err = fmt.Fscan(out, &pids[0], &pids[1], &pids[2])
	g.Expect(err).NotTo(HaveOccurred())
	for _, pid := range pids {
		g.Expect(alive(pid)).To(BeTrue())
	}
	g.Expect(cmd.Process.Kill()).To(Succeed())
	g.Expect(cmd.Wait()).NotTo(Succeed())
	for _, pid := range pids {
		g.Eventually(func() bool { return alive(pid) }).Should(BeFalse())
	}
}

// BenchmarkStart is a process from Start to its first answer and its end; cpu-us/op is what the
// process cost in user and system time.
func BenchmarkStart(b *testing.B) {
	testhost.New(b)
	ctx := context.Background()
	var before, after unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &before); err != nil {
		b.Fatal(err)
	}
	var first time.Duration
	for b.Loop() {
		started := mono.Now()
		p, err := process.Start(process.Options{Name: "client"})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.Listen(ctx, netip.AddrPortFrom(families[0], 0)); err != nil {
			b.Fatal(err)
		}
		first += mono.Now() - started
		if err := p.Stop(); err != nil {
			b.Fatal(err)
		}
	}
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &after); err != nil {
		b.Fatal(err)
	}
	spent := time.Duration(after.Utime.Nano() - before.Utime.Nano() + after.Stime.Nano() - before.Stime.Nano())
	b.ReportMetric(float64(first.Microseconds())/float64(b.N), "first-answer-us/op")
	b.ReportMetric(float64(spent.Microseconds())/float64(b.N), "cpu-us/op")
}

func TestAProcessThatWaitsDoesNotWakeUp(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 20*time.Second)
	client := start(t, "client")
	c := connect(t, ctx, client, start(t, "server"), families[0])
	c.client.StartRead(10)
	c.client.StartAwait(unix.EPOLLRDHUP)
	g.Expect(c.client.Error(ctx)).To(BeZero())
	time.Sleep(200 * time.Millisecond) // sysmon takes some rounds to find nothing to do
	before := switches(t, client.PID())
	time.Sleep(time.Second)
	g.Expect(switches(t, client.PID()) - before).To(BeZero())
}

// switches is how often the threads of a process have gone to sleep (proc_pid_status(5)).
func switches(t *testing.T, pid int) int {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		n := 0
		if _, err := fmt.Sscan(rest, &n); err != nil {
			t.Fatal(err)
		}
		total += n
	}
	return total
}
