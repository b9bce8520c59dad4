package lab

import (
	"errors"
	"fmt"
	"net/netip"
)

// PowerOff takes the host's power: from this moment nothing leaves it, no FIN and no RST, and its
// processes, sockets and memory are gone. The switch and every other host keep their carrier.
func (h *Host) PowerOff() error {
	if h.stack == nil {
		return fmt.Errorf("cannot power off %s: %w", h.name, errNamespaceGone)
	}
	if h.machine != nil {
		return h.powerOffMachine()
	}
	// Taking the port down is quicker than removing it, and what comes after must not be seen.
	if err := h.lab.rtnl.LinkSetDown(h.port); err != nil {
		return fmt.Errorf("cannot power off %s: %w", h.name, err)
	}
	h.lab.Note("%s: power off", h.name)
	// The port is removed here and not with the namespace, which the kernel takes down in its own
	// time, because a reboot plugs in a port of the same name.
	if err := errors.Join(h.lab.rtnl.LinkDel(h.port), h.shutDown()); err != nil {
		return fmt.Errorf("cannot power off %s: %w", h.name, err)
	}
	return nil
}

// Reboot brings the host back after a PowerOff, or crashes it first where it still runs: the same
// name, MAC, addresses and sysctls, and a stack that knows nothing of any connection.
func (h *Host) Reboot() error {
	if h.stack != nil {
		if err := h.PowerOff(); err != nil {
			return err
		}
	}
	if err := h.boot(); err != nil {
		return fmt.Errorf("cannot reboot %s: %w", h.name, err)
	}
	h.lab.Note("%s: up again", h.name)
	return nil
}

// Unplug pulls the host's cable out of the switch. The host loses its carrier; the others notice
// nothing but silence.
func (h *Host) Unplug() error {
	if h.port == nil {
		return fmt.Errorf("cannot unplug %s: %w", h.name, errNamespaceGone)
	}
	if err := h.lab.rtnl.LinkSetDown(h.port); err != nil {
		return fmt.Errorf("cannot unplug %s: %w", h.name, err)
	}
	if err := h.setMachineLink(false); err != nil {
		return err
	}
	h.lab.Note("%s: cable unplugged", h.name)
	return h.carrierNoticed()
}

// carrierNoticed returns when both ends of the cable have acted on the carrier they have now.
func (h *Host) carrierNoticed() error {
	return errors.Join(h.stack.NoticeCarrier(), h.portNoticed())
}

// portNoticed returns when the switch has acted on the carrier of the host's port.
func (h *Host) portNoticed() error {
	return h.lab.ns.do(func() error { return noticeCarrier(h.port) })
}

// Replug puts the cable back.
func (h *Host) Replug() error {
	if h.port == nil {
		return fmt.Errorf("cannot replug %s: %w", h.name, errNamespaceGone)
	}
	if err := h.lab.rtnl.LinkSetUp(h.port); err != nil {
		return fmt.Errorf("cannot replug %s: %w", h.name, err)
	}
	if err := h.setMachineLink(true); err != nil {
		return err
	}
	h.lab.Note("%s: cable replugged", h.name)
	return h.carrierNoticed()
}

// LinkDown is `ip link set eth0 down` on the host: the kernel also drops the device's routes.
func (h *Host) LinkDown() error {
	if err := h.tell(func(s Stack) error { return s.SetLink(false) }); err != nil {
		return fmt.Errorf("cannot set %s of %s down: %w", device, h.name, err)
	}
	if err := h.portFollows(false); err != nil {
		return err
	}
	h.lab.Note("%s: link set down", h.name)
	return h.carrierNoticed()
}

// LinkUp is `ip link set eth0 up`. IPv4 addresses survive a LinkDown, IPv6 addresses do not
// (net.ipv6.conf.*.keep_addr_on_down is 0): they are added again, as a network manager does.
func (h *Host) LinkUp() error {
	err := h.tell(func(s Stack) error {
		if err := s.SetLink(true); err != nil {
			return err
		}
		for _, prefix := range h.lab.spoken(h.ipv6) {
			if err := s.AddAddress(prefix); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot set %s of %s up: %w", device, h.name, err)
	}
	if err := h.portFollows(true); err != nil {
		return err
	}
	h.lab.Note("%s: link set up", h.name)
	return h.carrierNoticed()
}

// RemoveAddress takes the host's address of a family away.
func (h *Host) RemoveAddress(family int) error { return h.RemoveOtherAddress(h.prefix(family)) }

// RestoreAddress gives it back.
func (h *Host) RestoreAddress(family int) error { return h.AddOtherAddress(h.prefix(family)) }

// OtherAddress is an address of the lab's network that no host has.
func (h *Host) OtherAddress(family int) netip.Prefix {
	prefix := h.prefix(family)
	bytes := prefix.Addr().AsSlice()
	bytes[len(bytes)-1] += 100
	other, _ := netip.AddrFromSlice(bytes)
	return netip.PrefixFrom(other, prefix.Bits())
}

// AddOtherAddress adds an address, RemoveOtherAddress takes it away.
func (h *Host) AddOtherAddress(prefix netip.Prefix) error {
	if err := h.tell(func(s Stack) error { return s.AddAddress(prefix) }); err != nil {
		return fmt.Errorf("%s: %w", h.name, err)
	}
	h.lab.Note("%s: address %s added", h.name, prefix.Addr())
	return nil
}

// RemoveOtherAddress takes an address away from the host.
func (h *Host) RemoveOtherAddress(prefix netip.Prefix) error {
	if err := h.tell(func(s Stack) error { return s.RemoveAddress(prefix) }); err != nil {
		return fmt.Errorf("cannot remove %s from %s: %w", prefix, h.name, err)
	}
	h.lab.Note("%s: address %s removed", h.name, prefix.Addr())
	return nil
}

// AddAddressTo gives the host's address of a family to another of its devices, as a single address
// without a network: the host has it, and the cable's device has not. The device is "lo", or else a
// bridge of that name without a port, which is added.
func (h *Host) AddAddressTo(device string, family int) error {
	address := h.Address(family)
	if err := h.tell(func(s Stack) error { return s.AddAddressTo(device, address) }); err != nil {
		return fmt.Errorf("cannot add %s to %s of %s: %w", address, device, h.name, err)
	}
	h.lab.Note("%s: address %s added to %s", h.name, address, device)
	return nil
}

// ForgetNeighbours empties the host's ARP and neighbour-discovery tables, so that the next packet
// asks again.
func (h *Host) ForgetNeighbours() error {
	if err := h.tell(Stack.ForgetNeighbours); err != nil {
		return fmt.Errorf("cannot empty the neighbour table of %s: %w", h.name, err)
	}
	h.lab.Note("%s: neighbours forgotten", h.name)
	return nil
}

// tell tells the host's stack something, if the host is on.
func (h *Host) tell(what func(Stack) error) error {
	stack, err := h.on()
	if err != nil {
		return err
	}
	return what(stack)
}
