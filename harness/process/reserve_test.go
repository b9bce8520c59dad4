package process_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/internal/testhost"
	"github.com/halfopen/halfopen/harness/process"
)

// fromReserve is start with a process of the reserve.
func fromReserve(t testing.TB, reserve *process.Reserve, name string) *process.Process {
	t.Helper()
	p, err := reserve.Start(process.Options{Name: name})
	return stopped(t, p, err)
}

// hostOf is the network namespace that a process's sockets are in.
func hostOf(t testing.TB, pid int) string {
	t.Helper()
	host, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		t.Fatal(err)
	}
	return host
}

func TestAProcessOfTheReserveGoesFromHostToHost(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 10*time.Second)
	var reserve process.Reserve
	here, err := os.Readlink("/proc/thread-self/ns/net")
	g.Expect(err).NotTo(HaveOccurred())
	client := fromReserve(t, &reserve, "client")
	c := connect(t, ctx, client, start(t, "server"), families[0])
	g.Expect(hostOf(t, client.PID())).To(Equal(here))
	survivor, waiting := c.server.StartRead(10), c.client.StartRead(10)

	g.Expect(client.Stop()).To(Succeed())
	r, err := survivor.Wait(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.EOF).To(BeTrue(), "its sockets are closed")
	_, err = waiting.Wait(ctx)
	g.Expect(err).To(MatchError(process.ErrClosed))
	g.Expect(client.Dead()).To(BeClosed(), "for who had it")
	_, err = c.client.Write(ctx, []byte("x"))
	g.Expect(err).To(MatchError(process.ErrDead))
	_, err = client.Kill()
	g.Expect(err).To(MatchError(process.ErrDead))
	g.Expect(hostOf(t, client.PID())).NotTo(Equal(here), "it holds no host")
	g.Expect(client.Stop()).To(Succeed(), "again")

	other := fromReserve(t, &reserve, "server")
	g.Expect(other.PID()).NotTo(Equal(client.PID()), "ps(1) shows its name")
	next := fromReserve(t, &reserve, "client")
	g.Expect(next.PID()).To(Equal(client.PID()))
	d := connect(t, ctx, next, other, families[1])
	g.Expect(hostOf(t, next.PID())).To(Equal(here))
	_, err = d.client.Write(ctx, []byte("hello"))
	g.Expect(err).NotTo(HaveOccurred())
	r, err = d.server.Read(ctx, 10)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(r.Data)).To(Equal("hello"))
	_, err = next.Kill()
	g.Expect(err).NotTo(HaveOccurred(), "and dies as any other")
}

func TestWhatCannotServeAgainDies(t *testing.T) {
	for name, spoil := range map[string]func(*WithT, context.Context, *process.Process, connection){
		"frozen": func(g *WithT, _ context.Context, p *process.Process, _ connection) {
			g.Expect(p.Freeze()).To(Succeed())
		},
		"has forked": func(g *WithT, ctx context.Context, _ *process.Process, c connection) {
			_, err := c.client.Share(ctx)
			g.Expect(err).NotTo(HaveOccurred())
		},
		"killed": func(g *WithT, _ context.Context, p *process.Process, _ connection) {
			_, err := p.Kill()
			g.Expect(err).NotTo(HaveOccurred())
		},
		"is in a close that lingers": func(g *WithT, ctx context.Context, _ *process.Process, c connection) {
			g.Expect(c.client.SetLinger(ctx, 60)).To(Succeed())
			_, err := c.client.WriteUntilBlocked(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			c.client.StartClose()
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			testhost.New(t)
			ctx := within(t, 10*time.Second)
			var reserve process.Reserve
			client := fromReserve(t, &reserve, "client")
			spoil(g, ctx, client, connect(t, ctx, client, start(t, "server"), families[0]))
			began := time.Now()
			g.Expect(client.Stop()).To(Succeed())
			g.Expect(time.Since(began)).To(BeNumerically("<", 2*time.Second))
			g.Expect(unix.Kill(client.PID(), 0)).To(MatchError(unix.ESRCH))
			g.Expect(fromReserve(t, &reserve, "client").PID()).NotTo(Equal(client.PID()))
		})
	}
}

func TestAProcessThatClosesWithoutLingeringServesAgain(t *testing.T) {
	g := NewWithT(t)
	testhost.New(t)
	ctx := within(t, 10*time.Second)
	var reserve process.Reserve
	client := fromReserve(t, &reserve, "client")
	c := connect(t, ctx, client, start(t, "server"), families[0])
	g.Expect(c.client.SetLinger(ctx, 60)).To(Succeed())
	_, err := c.client.WriteUntilBlocked(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	began := time.Now()
	g.Expect(client.Stop()).To(Succeed())
	g.Expect(time.Since(began)).To(BeNumerically("<", 2*time.Second), "as when a process dies")
	next := fromReserve(t, &reserve, "client")
	g.Expect(next.PID()).To(Equal(client.PID()))
	_, err = next.Dial(ctx, netip.AddrPort{}, netip.AddrPortFrom(families[0], 9))
	g.Expect(err).To(MatchError(unix.ECONNREFUSED))
}
