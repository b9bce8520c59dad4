package stage

import (
	"context"
	"net/netip"
	"time"

	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/wire"
)

// OtherAddress is the address that MoveToOtherAddress gives the host, in the spec's family.
func (h *Host) OtherAddress() netip.Addr {
	return h.lab.OtherAddress(h.scene.identity.Family).Addr()
}

// ChangeAddress takes the host's address of the spec's family away and gives it another, as a host has
// it that has come to another network. It returns the moment just before.
func (h *Host) ChangeAddress() (at time.Duration) {
	at = h.RemoveAddress()
	h.MoveToOtherAddress()
	return at
}

// ChangeAddressBack undoes it, and returns the moment just before the old address is there again.
func (h *Host) ChangeAddressBack() (at time.Duration) {
	h.LeaveOtherAddress()
	return h.RestoreAddress()
}

// MoveAddressTo takes the host's address of the spec's family away from its cable's device and gives it
// to another of the host's own: "lo", or one that is made for it and has no cable. The other
// address stays on the cable's device, and with it the route.
func (h *Host) MoveAddressTo(device string) (at time.Duration) {
	at = h.ChangeAddress()
	if !h.scene.sabotaged("address-nowhere") {
		h.fault(func() error { return h.lab.AddAddressTo(device, h.scene.identity.Family) })
	}
	return at
}

// RemoveRoute takes the host's route of the spec's family away and leaves its address.
func (h *Host) RemoveRoute() time.Duration {
	if h.scene.sabotaged("route-kept") {
		return mono.Now()
	}
	return h.fault(func() error { return h.lab.RemoveRoute(h.scene.identity.Family) })
}

// RestoreRoute gives it back.
func (h *Host) RestoreRoute() time.Duration {
	if h.scene.sabotaged("route-lost") {
		return mono.Now()
	}
	return h.fault(func() error { return h.lab.RestoreRoute(h.scene.identity.Family) })
}

// SentFrom is every TCP segment so far that a host has sent with that source address, of whatever
// connection.
func (h *Host) SentFrom(ctx context.Context, address netip.Addr) (sent []wire.Segment) {
	h.scene.settle(ctx)
	for _, segment := range h.scene.lab.Wire().Segments() {
		if segment.From == h.Name() && segment.Src.Addr() == address {
			sent = append(sent, segment)
		}
	}
	return sent
}

// TryDialFromOther is TryDial from the host's other address and a port of its own.
func (p *Process) TryDialFromOther(ctx context.Context, listener *Listener, patience time.Duration) (end *End, outcome Outcome) {
	local := netip.AddrPortFrom(p.host.OtherAddress(), clientPort+1)
	dialing, err := p.startDialFrom(ctx, local, listener)
	return (&Dialing{process: p, listener: listener, dialing: dialing, err: err}).Within(ctx, patience)
}

// Unsendable waits until the end has its timer for probes armed because what it wrote could not even leave
// the host, and is the model of what follows.
func (e *End) Unsendable(ctx context.Context) timing.Persist {
	return e.probing(ctx)
}
