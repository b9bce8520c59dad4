package stage

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/mono"
)

// Destroy ends the end's connection with SOCK_DESTROY, as `ss -K` does, and returns the moment just
// before.
func (e *End) Destroy() time.Duration {
	errno, at := e.TryDestroy()
	if errno != 0 {
		e.Host.scene.mustStageWith(errno, "SOCK_DESTROY")
	}
	return at
}

// TryDestroy is Destroy where the kernel may refuse; errno is 0 if it did not.
func (e *End) TryDestroy() (errno unix.Errno, at time.Duration) {
	s := e.Host.scene
	at = mono.Now()
	if s.sabotaged("no-destroy") {
		return 0, at
	}
	err := e.Host.lab.DestroySocket(e.local, e.remote)
	s.lab.Wire().Note(at, e.String()+": SOCK_DESTROY")
	s.look()
	if errors.As(err, &errno) {
		return errno, at
	}
	mustStage(err)
	return 0, at
}

// Sysctl is the value of a sysctl of the host, one whole number.
func (h *Host) Sysctl(name string) int {
	value, err := h.lab.SysctlInt(name)
	mustStage(err)
	return value
}

// ConnectFrom is Connect from a port of its own, for a process that holds several connections to a
// listener.
func (p *Process) ConnectFrom(ctx context.Context, port uint16, listener *Listener) *Connection {
	ctx, cancel := context.WithTimeout(ctx, Soon)
	defer cancel()
	connected, err := p.process.Dial(ctx, netip.AddrPortFrom(p.host.Address(), port), listener.socket.Local())
	mustStage(err)
	return &Connection{Client: p.newEnd(connected), Server: listener.Accept(ctx), Listener: listener}
}
