package process

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/process/role"
)

// ErrDead is what calls return when the process is dead; the error's text says how it died.
var ErrDead = errors.New("the process is dead")

// ErrClosed is what a pending call returns when its socket is closed by Socket.Close.
var ErrClosed = errors.New("the socket was closed by its own process")

// Errno is the kernel's refusal of a system call that the process made.
type Errno struct {
	Op    string        // the call and what it was about: "connect to 192.0.2.1:7"
	Errno unix.Errno    // never 0
	At    time.Duration // monotonic time right after the call returned
	Give  time.Duration // as in Result

	// Queued is what lay in the error queue of a socket whose connect(2) failed, which is closed by
	// now; the zero Queued if nothing did, as without IP_RECVERR.
	Queued Queued
}

// Queued is a message of a socket's error queue: struct sock_extended_err of ip(7), IP_RECVERR.
type Queued struct {
	Errno  unix.Errno
	Origin uint8 // SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6, ...; 0 in the zero Queued alone
	Type   uint8 // of the ICMP message
	Code   uint8
	Sender netip.Addr // who reported it
}

func (e *Errno) Error() string { return e.Op + ": " + Name(e.Errno) }

// Unwrap makes errors.Is(err, unix.ECONNREFUSED) true.
func (e *Errno) Unwrap() error { return e.Errno }

// Name is the errno as the manual pages write it ("ECONNRESET"), its number where it has no name,
// and "none" for 0.
func Name(errno unix.Errno) string {
	if errno == 0 {
		return "none"
	}
	if name := unix.ErrnoName(errno); name != "" {
		return name
	}
	return fmt.Sprintf("errno %d", int(errno))
}

// Result is what an application sees of one system call.
type Result struct {
	N      int           // bytes read or written; a write that was cut short has both N and Errno
	Data   []byte        // the bytes read
	EOF    bool          // read(2) returned 0: the peer has closed its direction
	Errno  unix.Errno    // 0 for none
	Events uint32        // EPOLLIN and friends, of StartAwait only
	Late   bool          // a heartbeat had no answer in time, of StartHeartbeat only
	At     time.Duration // monotonic time right after the call returned in the process
	Give   time.Duration // how wrong At may be, either way: 0 for a process of this kernel's, which has the same clock
}

// String tells the result in one line: "5 bytes", "EOF", "ECONNRESET", "IN|HUP".
func (r Result) String() string {
	switch {
	case r.Errno != 0 && r.N > 0:
		return fmt.Sprintf("%d bytes, then %s", r.N, Name(r.Errno))
	case r.Errno != 0:
		return Name(r.Errno)
	case r.Late:
		return "no answer to a heartbeat"
	case r.EOF:
		return "EOF"
	case r.Events != 0:
		return EventNames(r.Events)
	default:
		return fmt.Sprintf("%d bytes", r.N)
	}
}

// EventNames writes an epoll mask as poll(2) does, without the prefix: "IN|ERR|HUP|RDHUP".
func EventNames(mask uint32) string {
	known := []struct {
		bit  uint32
		name string
	}{
		{unix.EPOLLIN, "IN"}, {unix.EPOLLPRI, "PRI"}, {unix.EPOLLOUT, "OUT"},
		{unix.EPOLLERR, "ERR"}, {unix.EPOLLHUP, "HUP"}, {unix.EPOLLRDHUP, "RDHUP"},
	}
	var names []string
	for _, k := range known {
		if mask&k.bit != 0 {
			names = append(names, k.name)
			mask &^= k.bit
		}
	}
	if mask != 0 {
		names = append(names, fmt.Sprintf("%#x", mask))
	}
	return strings.Join(names, "|")
}

// Pending is a call that is under way in the process.
type Pending struct {
	done   chan struct{}
	answer role.Answer
	err    error
}

// Done is closed when the call has ended, one way or the other.
func (p *Pending) Done() <-chan struct{} { return p.done }

// Wait returns what the call returned. It may be called again, also after a context ended it.
func (p *Pending) Wait(ctx context.Context) (Result, error) {
	a, err := p.wait(ctx)
	if err != nil {
		return Result{}, err
	}
	return result(a), nil
}

func (p *Pending) wait(ctx context.Context) (role.Answer, error) {
	select {
	case <-p.done:
		return p.answer, p.err
	default:
	}
	select {
	case <-p.done:
		return p.answer, p.err
	case <-ctx.Done():
		return role.Answer{}, fmt.Errorf("gave up waiting for the process: %w", context.Cause(ctx))
	}
}
