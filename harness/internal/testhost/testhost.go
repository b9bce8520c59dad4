// Package testhost gives tests of the harness a host of their own: a network namespace with lo up, as any
// user may have one, and programs in it.
package testhost

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/sandbox"
)

// Main is a TestMain's: the processes that the tests start are this binary too, and namespaces need a
// sandbox.
func Main(m *testing.M) {
	if err := sandbox.Enter(sandbox.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// New locks the test's goroutine to a thread, gives that a network namespace for as long as it lives,
// and returns its lo, which is up.
func New(t testing.TB) (lo netlink.Link) {
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

// Started starts a program that is stopped when the test ends.
func Started(t testing.TB, start func() (*process.Program, error)) *process.Program {
	t.Helper()
	p, err := start()
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

// Await is the first event of that kind that the program tells, within 10 s.
func Await(t testing.TB, p *process.Program, what string) process.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	line, err := p.Await(ctx, process.Tells(what, ""))
	if err != nil {
		t.Fatalf("await %q: %v", what, err)
	}
	event, _ := line.Event()
	return event
}
