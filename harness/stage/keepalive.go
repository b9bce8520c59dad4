package stage

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/timing"
)

// KeepaliveOptions are TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT of one socket.
type KeepaliveOptions struct {
	Idle, Interval time.Duration // whole seconds
	Count          int
}

// KeepaliveOptions are the values in force for the end's socket: its own, or else its host's.
func (e *End) KeepaliveOptions(ctx context.Context) KeepaliveOptions {
	GinkgoHelper()
	return KeepaliveOptions{
		Idle:     time.Duration(e.Option(ctx, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)) * time.Second,
		Interval: time.Duration(e.Option(ctx, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)) * time.Second,
		Count:    e.Option(ctx, unix.IPPROTO_TCP, unix.TCP_KEEPCNT),
	}
}

// SetKeepaliveOptions gives the socket values of its own. A spec that counts from the moment that
// KeepAlive returns sets them before.
func (e *End) SetKeepaliveOptions(ctx context.Context, options KeepaliveOptions) {
	GinkgoHelper()
	e.keepalive = &options
	if e.Host.scene.sabotaged("keepalive-options-off") {
		return
	}
	e.Set(ctx, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(options.Idle.Seconds()))
	e.Set(ctx, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(options.Interval.Seconds()))
	e.Set(ctx, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, options.Count)
}

// Keepalive is the model of how this end finds a dead peer: by the options the spec has given its
// socket, and else by its host's settings.
func (e *End) Keepalive() timing.Keepalive {
	model := timing.Keepalive{
		Idle:        e.timeouts.KeepaliveTime,
		Interval:    e.timeouts.KeepaliveInterval,
		Count:       e.timeouts.KeepaliveProbes,
		UserTimeout: e.userTimeout,
		Wheel:       e.Host.scene.wheel(),
	}
	if own := e.keepalive; own != nil {
		model.Idle, model.Interval, model.Count = own.Idle, own.Interval, own.Count
	}
	return model
}
