package lab

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// RemoveRoute takes the host's route to its network in a family away and leaves its address.
func (h *Host) RemoveRoute(family int) error {
	if err := h.configure(func() error { return h.rtnl.RouteDel(h.connectedRoute(family)) }); err != nil {
		return fmt.Errorf("cannot remove the IPv%d route of %s: %w", family, h.name, err)
	}
	h.lab.Note("%s: route to %s removed", h.name, h.prefix(family).Masked())
	return nil
}

// RestoreRoute gives it back.
func (h *Host) RestoreRoute(family int) error {
	if err := h.configure(func() error { return h.rtnl.RouteReplace(h.connectedRoute(family)) }); err != nil {
		return fmt.Errorf("cannot restore the IPv%d route of %s: %w", family, h.name, err)
	}
	h.lab.Note("%s: route to %s restored", h.name, h.prefix(family).Masked())
	return nil
}

// connectedRoute is the route that came with the host's address.
func (h *Host) connectedRoute(family int) *netlink.Route {
	route := &netlink.Route{
		LinkIndex: h.link.Attrs().Index,
		Dst:       ipNet(h.prefix(family).Masked()),
		Protocol:  2, // RTPROT_KERNEL
	}
	if family == 4 {
		route.Scope, route.Src = netlink.SCOPE_LINK, h.ipv4.Addr().AsSlice()
	} else {
		route.Priority = 256 // IP6_RT_PRIO_ADDRCONF
	}
	return route
}
