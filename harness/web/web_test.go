package web_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/sandbox"
	"github.com/halfopen/halfopen/harness/socket"
	"github.com/halfopen/halfopen/harness/web"
)

func TestMain(m *testing.M) {
	process.RunRole()
	if err := sandbox.Enter(sandbox.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// host gives the test's goroutine a network namespace with lo up, for as long as its thread lives.
func host(t *testing.T) {
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
}

func started(t *testing.T, p *process.Program, err error) *process.Program {
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

// await is the next event of that kind.
func await(t *testing.T, p *process.Program, what web.Happening) web.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	line, err := p.Await(ctx, func(line process.Line) bool {
		event, ok := web.Read(line)
		return ok && event.What == what
	})
	if err != nil {
		t.Fatal(err)
	}
	event, _ := web.Read(line)
	return event
}

func TestAClientIsAnsweredAndNeitherEndHasKeepaliveOrMPTCP(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", http2), func(t *testing.T) {
			g := NewWithT(t)
			host(t)
			s, err := web.Server{Address: "127.0.0.1:0", HTTP2: http2}.Start()
			server := started(t, s, err)
			at := await(t, server, web.Listening).Text
			c, err := web.Client{Local: "127.0.0.1:0", Server: at, Path: "/hello", HTTP2: http2}.Start()
			client := started(t, c, err)
			g.Expect(await(t, client, web.Responded).Text).To(Equal("hello"))
			g.Expect(await(t, server, web.Requested).Text).To(Equal("/hello"))

			diag, err := socket.Open()
			g.Expect(err).NotTo(HaveOccurred())
			defer diag.Close()
			sockets, err := diag.List() // of TCP; one of MPTCP would be another protocol's, with this as its subflow
			g.Expect(err).NotTo(HaveOccurred())
			established := 0
			for _, s := range sockets {
				if s.State == socket.Established {
					established++
					g.Expect(s.Timer.Kind).NotTo(Equal(socket.Keepalive))
				}
			}
			g.Expect(established).To(Equal(2))
		})
	}
}

func TestASlowAnswerTakesItsTimeAndAHeldOneNeverComes(t *testing.T) {
	g := NewWithT(t)
	host(t)
	s, err := web.Server{Address: "127.0.0.1:0"}.Start()
	server := started(t, s, err)
	at := await(t, server, web.Listening).Text
	c, err := web.Client{Local: "127.0.0.1:0", Server: at, Path: "/slow?200ms"}.Start()
	client := started(t, c, err)
	answered := await(t, client, web.Responded)
	g.Expect(answered.At - await(t, server, web.Requested).At).To(BeNumerically(">=", 200*time.Millisecond))

	c, err = web.Client{Local: "127.0.0.1:0", Server: at, Path: "/hold"}.Start()
	holding := started(t, c, err)
	_, err = server.Kill()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(await(t, holding, web.Failed).Text).NotTo(BeEmpty())
}
