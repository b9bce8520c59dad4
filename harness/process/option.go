package process

import (
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/process/role"
)

// Option is a socket option that is set before bind, connect and listen; a child that accept
// returns inherits it from its listener where the kernel does so.
type Option struct {
	Level, Name, Value int
	linger             bool
}

// SockOpt is setsockopt(level, name) with an int.
func SockOpt(level, name, value int) Option {
	return Option{Level: level, Name: name, Value: value}
}

// NoDelay switches Nagle's algorithm off (TCP_NODELAY).
func NoDelay() Option { return SockOpt(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) }

// Linger is SO_LINGER {on, seconds}; with 0 seconds a close is a RST. Negative: off.
func Linger(seconds int) Option {
	return Option{Level: unix.SOL_SOCKET, Name: unix.SO_LINGER, Value: seconds, linger: true}
}

func (o Option) wire() role.Option {
	return role.Option{Level: o.Level, Name: o.Name, Value: o.Value, Linger: o.linger}
}
