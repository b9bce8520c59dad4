package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/process/role"
)

// Holder is a child that a process forked and that holds one of its descriptors.
//
// It sleeps in read(2) on its leash, a socketpair whose other end the spec holds: the leash's end
// is its exit, so that it outlives the process that forked it but never the spec.
type Holder struct {
	process *own
	pid     int
	leash   *os.File
}

// Share makes the process fork a child that inherits this socket's descriptor and does nothing
// with it. When Share returns, the child holds it.
func (s *Socket) Share(ctx context.Context) (*Holder, error) {
	forking, here := s.process.body.(*own)
	if !here {
		return nil, fmt.Errorf("process %q: fork a holder: %w", s.process.name, ErrElsewhere)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a holder's leash: %w", err)
	}
	// Only the spec's end is read without blocking; the holder's is a different file.
	if err := unix.SetNonblock(pair[0], true); err != nil {
		return nil, errors.Join(err, unix.Close(pair[0]), unix.Close(pair[1]))
	}
	leash := os.NewFile(uintptr(pair[0]), "leash of a holder")
	waiting := forking.send(ctx, role.Request{Op: role.OpShare, Socket: s.id}, pair[1])
	// The message carries a reference of its own to the holder's end.
	unix.Close(pair[1])
	a, err := waiting.wait(ctx)
	if err == nil {
		err = refusal(role.Request{}, a)
	}
	if err != nil {
		leash.Close() // also ends a holder that comes up after the context ended
		return nil, fmt.Errorf("process %q: fork a holder: %w", s.process.name, err)
	}
	h := &Holder{process: forking, pid: a.PID, leash: leash}
	forking.mu.Lock()
	forking.holders[h] = struct{}{}
	forking.mu.Unlock()
	return h, nil
}

// PID is the holder's process ID in the caller's PID namespace.
func (h *Holder) PID() int { return h.pid }

// Exit ends the holder by exit_group(2), without closing anything first, and waits for its end:
// its descriptors are closed then. Calling it for a holder that has ended does nothing.
func (h *Holder) Exit(ctx context.Context) error {
	return h.end(ctx, func() error {
		conn, err := h.leash.SyscallConn()
		if err != nil {
			return err
		}
		var down error
		err = conn.Control(func(fd uintptr) { down = unix.Shutdown(int(fd), unix.SHUT_WR) })
		return errors.Join(err, down)
	})
}

// Kill makes the holder kill itself by SIGKILL and waits for its end, as Exit does. It is not killed from
// here because its process ID is reaped elsewhere, and may belong to a stranger.
func (h *Holder) Kill(ctx context.Context) error {
	return h.end(ctx, func() error {
		_, err := h.leash.Write([]byte{role.DieOrder})
		if errors.Is(err, unix.EPIPE) {
			return nil
		}
		return err
	})
}

// end orders the exit and waits for the leash's end.
func (h *Holder) end(ctx context.Context, order func() error) error {
	h.process.mu.Lock()
	_, there := h.process.holders[h]
	h.process.mu.Unlock()
	if !there {
		return nil
	}
	err := order()
	if err != nil {
		return fmt.Errorf("end holder %d: %w", h.pid, err)
	}
	release := context.AfterFunc(ctx, func() { _ = h.leash.SetReadDeadline(time.Unix(1, 0)) })
	defer release()
	_, err = h.leash.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		_ = h.leash.SetReadDeadline(time.Time{})
		return fmt.Errorf("holder %d has not ended: %w", h.pid, context.Cause(ctx))
	}
	h.cut()
	return nil
}

// cut closes the leash, which ends a holder that is still there.
func (h *Holder) cut() {
	h.process.mu.Lock()
	delete(h.process.holders, h)
	h.process.mu.Unlock()
	h.leash.Close()
}
