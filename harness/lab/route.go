package lab

import (
	"fmt"
	"net/netip"

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

// RouteMinimumRTO sets `rto_min` on the host's route to its network (ip-route(8)), in
// milliseconds as the kernel keeps it.
func (h *Host) RouteMinimumRTO(family int, milliseconds int) error {
	err := h.configure(func() error {
		route := h.connectedRoute(family)
		route.RtoMin, route.RtoMinLock = milliseconds, true
		return h.rtnl.RouteReplace(route)
	})
	if err != nil {
		return fmt.Errorf("cannot set rto_min on the route of %s: %w", h.name, err)
	}
	h.lab.Note("%s: rto_min %d ms on the route", h.name, milliseconds)
	return nil
}

// AddDefaultRoute makes the host look for every address of a family on its own network.
func (h *Host) AddDefaultRoute(family int) error {
	everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if family == 6 {
		everything = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	err := h.configure(func() error {
		return h.rtnl.RouteAdd(&netlink.Route{LinkIndex: h.link.Attrs().Index, Dst: ipNet(everything), Scope: netlink.SCOPE_LINK})
	})
	if err != nil {
		return fmt.Errorf("cannot add a default route to %s: %w", h.name, err)
	}
	h.lab.Note("%s: default route added", h.name)
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
