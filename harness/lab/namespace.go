package lab

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace with one OS thread that lives in it. What must be done inside
// (spawn a process, open a netlink or packet socket, read /proc/sys/net) is done on that thread;
// sockets keep the namespace they were made in and are used from anywhere.
type namespace struct {
	file  *os.File
	calls chan func()
	ended chan struct{}
}

func newNamespace() (*namespace, error) {
	ns := &namespace{calls: make(chan func()), ended: make(chan struct{})}
	ready := make(chan error)
	go ns.live(ready)
	if err := <-ready; err != nil {
		return nil, err
	}
	return ns, nil
}

// live runs on a thread that is never unlocked: when the goroutine returns, the Go runtime ends
// the thread instead of handing it, with its namespace, to somebody else. The thread also outlives
// every process started on it, whose Pdeathsig is tied to it (prctl(2)).
func (ns *namespace) live(ready chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The program's first thread is never ended but parked, and would hold the namespace until
		// the program exits. While it is held here, another goroutine gets another thread.
		moved := make(chan error)
		go ns.live(moved)
		err := <-moved
		runtime.UnlockOSThread()
		ready <- err
		return
	}
	defer close(ns.ended)
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		if errors.Is(err, unix.ENOSPC) {
			err = fmt.Errorf("%w: a spec needs three, or four with a router, so run fewer side by side with --procs, or raise the limit with `sudo sysctl user.max_net_namespaces=10000`", err)
		}
		ready <- fmt.Errorf("cannot create a network namespace: %w", err)
		return
	}
	file, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		ready <- fmt.Errorf("cannot hold the network namespace: %w", err)
		return
	}
	ns.file = file
	ready <- nil
	for call := range ns.calls {
		call()
	}
}

var errNamespaceGone = errors.New("the host is powered off")

// do runs f on the namespace's thread and returns its error.
func (ns *namespace) do(f func() error) error {
	result := make(chan error, 1)
	select {
	case ns.calls <- func() { result <- f() }:
		return <-result
	case <-ns.ended:
		return errNamespaceGone
	}
}

// close lets the thread and the descriptor go; the kernel takes the namespace down when the last
// socket in it is gone. It must not run beside do.
func (ns *namespace) close() error {
	close(ns.calls)
	<-ns.ended
	return ns.file.Close()
}
