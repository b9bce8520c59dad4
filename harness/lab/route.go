package lab

import "fmt"

// RemoveRoute takes the host's route to its network in a family away and leaves its address.
func (h *Host) RemoveRoute(family int) error {
	if err := h.tell(func(s Stack) error { return s.RemoveRoute(h.prefix(family)) }); err != nil {
		return fmt.Errorf("cannot remove the IPv%d route of %s: %w", family, h.name, err)
	}
	h.lab.Note("%s: route to %s removed", h.name, h.prefix(family).Masked())
	return nil
}

// RestoreRoute gives it back.
func (h *Host) RestoreRoute(family int) error {
	if err := h.tell(func(s Stack) error { return s.RestoreRoute(h.prefix(family), 0) }); err != nil {
		return fmt.Errorf("cannot restore the IPv%d route of %s: %w", family, h.name, err)
	}
	h.lab.Note("%s: route to %s restored", h.name, h.prefix(family).Masked())
	return nil
}

// RouteMinimumRTO sets `rto_min` on the host's route to its network (ip-route(8)), in
// milliseconds as the kernel keeps it.
func (h *Host) RouteMinimumRTO(family int, milliseconds int) error {
	if err := h.tell(func(s Stack) error { return s.RestoreRoute(h.prefix(family), milliseconds) }); err != nil {
		return fmt.Errorf("cannot set rto_min on the route of %s: %w", h.name, err)
	}
	h.lab.Note("%s: rto_min %d ms on the route", h.name, milliseconds)
	return nil
}

// AddDefaultRoute makes the host look for every address of a family on its own network.
func (h *Host) AddDefaultRoute(family int) error {
	if err := h.tell(func(s Stack) error { return s.AddDefaultRoute(family) }); err != nil {
		return fmt.Errorf("cannot add a default route to %s: %w", h.name, err)
	}
	h.lab.Note("%s: default route added", h.name)
	return nil
}
