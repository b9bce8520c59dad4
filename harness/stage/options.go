package stage

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process"
)

// Set sets a socket option.
func (e *End) Set(ctx context.Context, level, name, value int) {
	if e.Host.scene.withheld(level, name) {
		return
	}
	mustStage(e.socket.SetInt(ctx, level, name, value))
}

// TrySet sets a socket option and returns the errno, 0 when it was taken.
func (e *End) TrySet(ctx context.Context, level, name, value int) unix.Errno {
	if e.Host.scene.sabotaged("option-clamped") {
		value = min(max(value, 1), 127)
	}
	err := e.socket.SetInt(ctx, level, name, value)
	var refused *process.Errno
	if errors.As(err, &refused) {
		return refused.Errno
	}
	mustStage(err)
	return 0
}

// Option is the value of a socket option.
func (e *End) Option(ctx context.Context, level, name int) int {
	value, err := e.socket.Int(ctx, level, name)
	mustStage(err)
	return value
}

// PendingError is the error that the next call on the socket would give (SO_ERROR), 0 if there is
// none. Reading it clears it.
func (e *End) PendingError(ctx context.Context) unix.Errno {
	return unix.Errno(e.Option(ctx, unix.SOL_SOCKET, unix.SO_ERROR))
}

// SetLinger sets SO_LINGER {on, seconds}.
func (e *End) SetLinger(ctx context.Context, seconds int) {
	if e.Host.scene.sabotaged("linger-off") {
		return
	}
	mustStage(e.socket.SetLinger(ctx, seconds))
}

// UserTimeout sets TCP_USER_TIMEOUT.
func (e *End) UserTimeout(ctx context.Context, timeout time.Duration) {
	e.userTimeout = timeout
	e.Set(ctx, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(timeout.Milliseconds()))
}

// MaximumRTO sets TCP_RTO_MAX_MS, the ceiling of the end's retransmission timeout.
func (e *End) MaximumRTO(ctx context.Context, maximum time.Duration) {
	e.Set(ctx, unix.IPPROTO_TCP, unix.TCP_RTO_MAX_MS, int(maximum.Milliseconds()))
}

// KeepAlive switches SO_KEEPALIVE on. It returns the moment just before, from which an idle
// socket counts.
func (e *End) KeepAlive(ctx context.Context) (at time.Duration) {
	at = mono.Now()
	e.Set(ctx, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	e.Host.scene.lab.Wire().Note(at, e.String()+": SO_KEEPALIVE set")
	return at
}

// KeepaliveOptions are TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT of one socket.
type KeepaliveOptions struct {
	Idle, Interval time.Duration // whole seconds
	Count          int
}

// KeepaliveOptions are the values in force for the end's socket: its own, or else its host's.
func (e *End) KeepaliveOptions(ctx context.Context) KeepaliveOptions {
	return KeepaliveOptions{
		Idle:     time.Duration(e.Option(ctx, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)) * time.Second,
		Interval: time.Duration(e.Option(ctx, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)) * time.Second,
		Count:    e.Option(ctx, unix.IPPROTO_TCP, unix.TCP_KEEPCNT),
	}
}

// SetKeepaliveOptions gives the socket values of its own. A spec that counts from the moment that
// KeepAlive returns sets them before.
func (e *End) SetKeepaliveOptions(ctx context.Context, options KeepaliveOptions) {
	e.keepalive = &options
	if e.Host.scene.sabotaged("keepalive-options-off") {
		return
	}
	e.Set(ctx, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(options.Idle.Seconds()))
	e.Set(ctx, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(options.Interval.Seconds()))
	e.Set(ctx, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, options.Count)
}
