package lab

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// PinNeighbour makes the host remember another's MAC for ever, as it does in effect where a router
// stands between the two: the next hop goes on answering when the host behind it has died. Without
// it the silence of a host on the same network is also address resolution's to find, after half a
// minute or so, and its EHOSTUNREACH takes the place of ETIMEDOUT.
func (h *Host) PinNeighbour(other *Host) error {
	stack, err := h.on()
	for _, prefix := range h.lab.spoken(other.ipv4, other.ipv6) {
		if err == nil {
			err = stack.PinNeighbour(prefix.Addr(), other.mac)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot pin %s as a neighbour of %s: %w", other.name, h.name, err)
	}
	h.lab.Note("%s: the next hop to %s stays resolved", h.name, other.name)
	return nil
}

// ForgetNeighbours is Host.ForgetNeighbours for the router, in the clients' network.
func (r *Router) ForgetNeighbours() error {
	if err := forgetNeighbours(r.rtnl, r.link[0]); err != nil {
		return fmt.Errorf("cannot empty the neighbour table of %s: %w", r.name, err)
	}
	r.lab.Note("%s: neighbours forgotten", r.name)
	return nil
}

func forgetNeighbours(rtnl *netlink.Handle, link netlink.Link) error {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		neighbours, err := rtnl.NeighList(link.Attrs().Index, family)
		if err != nil {
			return err
		}
		for _, n := range neighbours {
			if n.State&netlink.NUD_NOARP != 0 {
				continue
			}
			if err := rtnl.NeighDel(&n); err != nil {
				return err
			}
		}
	}
	return nil
}
