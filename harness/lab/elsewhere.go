package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
)

// AddAddressTo gives the host's address of a family to another of its devices, as a single address
// without a network: the host has it, and the cable's device has not. The device is "lo", or else a
// bridge of that name without a port, which is added.
func (h *Host) AddAddressTo(device string, family int) error {
	address := h.Address(family)
	err := h.configure(func() error {
		if device != "lo" {
			attrs := netlink.NewLinkAttrs()
			attrs.Name, attrs.Flags = device, net.FlagUp
			if err := h.rtnl.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
		}
		link, err := h.rtnl.LinkByName(device)
		if err != nil {
			return err
		}
		return addAddress(h.ns, h.rtnl, link, netip.PrefixFrom(address, address.BitLen()))
	})
	if err != nil {
		return fmt.Errorf("cannot move %s to %s of %s: %w", address, device, h.name, err)
	}
	h.lab.Note("%s: address %s added to %s", h.name, address, device)
	return nil
}
