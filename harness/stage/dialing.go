package stage

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"

	"github.com/halfopen/halfopen/harness/process"
)

// OfferOnePort leaves the host a single port for those of its sockets that ask for none: the one
// that a spec's connection has.
func (h *Host) OfferOnePort() {
	GinkgoHelper()
	mustStage(h.lab.SetSysctl("net.ipv4.ip_local_port_range", fmt.Sprintf("%d %[1]d", clientPort)))
}

// TryDialUnbound is TryDial without bind(2): the kernel chooses the port when it connects.
func (p *Process) TryDialUnbound(ctx context.Context, listener *Listener, patience time.Duration, options ...process.Option) (end *End, outcome Outcome) {
	GinkgoHelper()
	dialing, err := p.process.StartDial(ctx, netip.AddrPort{}, listener.socket.Local(), options...)
	return (&Dialing{process: p, dialing: dialing, err: err}).Within(ctx, patience)
}
