package lab

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/halfopen/halfopen/harness/kernel"
)

// Machine is a computer with a kernel of its own that is a host of a lab: a virtual one.
type Machine interface {
	// Boot switches the machine on if it is off, with that address on its network card, and returns a fresh stack of its kernel. One that is up
	// and has been closed may have been another lab's before.
	Boot(card net.HardwareAddr, profile kernel.Profile, settings map[string]string) (Stack, error)
	// Cable is this end of the machine's cable, for as long as it is on: a datagram each way is a frame.
	Cable() *os.File
	// SetLink plugs the cable into the machine's device or pulls it out, and the machine sees it.
	SetLink(up bool) error
	// PowerOff takes its power.
	PowerOff() error
	// Panic makes its kernel panic, and with restart boot again by itself; without, it stays as it is.
	Panic(restart bool) error
	// Reset is its reset button.
	Reset() error
	// Restart is an orderly restart: its processes end first.
	Restart() error
	// Pause stops it, with its clock, and Resume lets it go on.
	Pause() error
	Resume() error
}

// farEnd is the cable's end at a machine, in the switch's namespace, where frames pass to the machine
// and back.
func (h *Host) farEnd() string { return h.name + "~" }

// bootMachine is boot for a machine. The cable is plugged in when the kernel is up.
func (h *Host) bootMachine() (err error) {
	if h.stack, err = h.machine.Boot(h.mac, h.lab.profile, h.settings); err != nil {
		return err
	}
	if h.port == nil {
		if err := h.plugIn(h.newCable(h.farEnd())); err != nil {
			return err
		}
	}
	if h.guest != nil && h.guest.machine != h.machine.Cable() { // it has been off in between
		if err := h.guest.close(); err != nil {
			return err
		}
		h.guest = nil
	}
	if h.guest == nil {
		if h.guest, err = h.lab.layCable(h.farEnd(), h.machine.Cable()); err != nil {
			return err
		}
	}
	h.guest.carry(true)
	return h.configure()
}

// powerOffMachine is PowerOff for a machine: the emulator is killed, and what it has not sent by then
// never leaves.
func (h *Host) powerOffMachine() error {
	err := h.machine.PowerOff()
	h.lab.Note("%s: power off", h.name)
	if err = errors.Join(err, h.unlay(), h.shutDown()); err != nil {
		return fmt.Errorf("cannot power off %s: %w", h.name, err)
	}
	return nil
}

// unlay takes a machine's cable away, with the switch's port.
func (h *Host) unlay() error {
	err := h.guest.close()
	h.guest = nil
	return errors.Join(err, h.lab.rtnl.LinkDel(h.port))
}

// setMachineLink is what pulling the cable is at the end of a machine; a namespace's device loses its
// carrier with the port.
func (h *Host) setMachineLink(up bool) error {
	if h.machine == nil {
		return nil
	}
	if err := h.machine.SetLink(up); err != nil {
		return fmt.Errorf("cannot set the link of %s: %w", h.name, err)
	}
	return nil
}

// portFollows gives the switch's port the carrier that a machine's device puts on the cable; that of a
// namespace's device follows by itself.
func (h *Host) portFollows(up bool) error {
	if h.machine == nil {
		return nil
	}
	set := h.lab.rtnl.LinkSetDown
	if up {
		set = h.lab.rtnl.LinkSetUp
	}
	if err := set(h.port); err != nil {
		return fmt.Errorf("cannot set the port of %s: %w", h.name, err)
	}
	return nil
}

// crash makes a machine lose all it has, while its cable stays plugged in. What comes for one that boots
// again is dropped, and does not wait at its door.
func (h *Host) crash(how string, boots bool, strike func() error) error {
	if h.machine == nil {
		return fmt.Errorf("%s: %w", h.name, ErrNoMachine)
	}
	h.guest.carry(!boots)
	err := strike()
	h.lab.Note("%s: %s", h.name, how)
	h.stack = nil
	if err != nil {
		return fmt.Errorf("cannot crash %s: %w", h.name, err)
	}
	return nil
}

// ErrNoMachine is what only a machine can do.
var ErrNoMachine = errors.New("the host is a network namespace, and no machine that could do this")

// Panic makes the host's kernel panic. With restart it boots again by itself (kernel.panic), and Return
// waits for it; without, it stays where it is, with its power and its carrier.
func (h *Host) Panic(restart bool) error {
	how := "kernel panic, without a restart"
	if restart {
		how = "kernel panic, with a restart"
	}
	return h.crash(how, restart, func() error { return h.machine.Panic(restart) })
}

// Reset presses the host's reset button; Return waits until it is up again.
func (h *Host) Reset() error {
	return h.crash("reset button", true, func() error { return h.machine.Reset() })
}

// Restart restarts the host in an orderly way: its processes end, its kernel says what it has to say, and
// it boots again. Return waits for it.
func (h *Host) Restart() error {
	if h.machine == nil {
		return fmt.Errorf("%s: %w", h.name, ErrNoMachine)
	}
	h.lab.Note("%s: orderly restart", h.name)
	err := h.machine.Restart()
	h.guest.carry(false)
	h.stack = nil
	if err != nil {
		return fmt.Errorf("cannot restart %s: %w", h.name, err)
	}
	return nil
}

// Return waits until the kernel of a host that restarts is up, and configures the host as it was.
func (h *Host) Return() error {
	if h.machine == nil {
		return fmt.Errorf("%s: %w", h.name, ErrNoMachine)
	}
	if err := h.bootMachine(); err != nil {
		return fmt.Errorf("%s does not come back: %w", h.name, err)
	}
	h.lab.Note("%s: up again", h.name)
	return nil
}

// Pause makes the host hang, with its clock, and Resume lets it go on.
func (h *Host) Pause() error {
	err := h.machineDoes(Machine.Pause)
	h.lab.Note("%s: hangs", h.name)
	return err
}

// Resume lets a paused host go on, which is noted first: what the host has to say it says at once.
func (h *Host) Resume() error {
	h.lab.Note("%s: goes on", h.name)
	return h.machineDoes(Machine.Resume)
}

func (h *Host) machineDoes(do func(Machine) error) error {
	if h.machine == nil {
		return fmt.Errorf("%s: %w", h.name, ErrNoMachine)
	}
	if err := do(h.machine); err != nil {
		return fmt.Errorf("%s: %w", h.name, err)
	}
	return nil
}
