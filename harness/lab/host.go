package lab

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/socket"
)

// device is every host's network device, at its end of the cable.
const device = "eth0"

// Host is a network stack with addresses, plugged into the switch by a cable.
type Host struct {
	lab        *Lab
	network    *network
	name       string
	mac        net.HardwareAddr
	ipv4, ipv6 netip.Prefix
	settings   map[string]string // sysctls set by SetSysctl, kept across a reboot like /etc/sysctl.d
	machine    Machine           // nil where the host is a namespace of this machine's kernel

	// What a power-off takes away: nil while the host is off.
	stack Stack
	port  netlink.Link // the switch's end of the cable
	guest *cable       // the cable's other end, of a machine
}

// Name is the host's name and its port's.
func (h *Host) Name() string { return h.name }

func (h *Host) String() string { return h.name }

// Address is the host's address in the family 4 or 6.
func (h *Host) Address(family int) netip.Addr { return h.prefix(family).Addr() }

func (h *Host) prefix(family int) netip.Prefix {
	if family == 4 {
		return h.ipv4
	}
	return h.ipv6
}

// boot gives the host a fresh stack with the profile's sysctls, a cable plugged in, the same MAC and the
// same addresses. Nothing of a former stack is left in it.
func (h *Host) boot() (err error) {
	if h.machine != nil {
		return h.bootMachine()
	}
	settings := h.settings
	if h.lab.family == 4 && hasIPv6() {
		settings = maps.Clone(settings)
		settings[noIPv6] = "1"
	}
	stack, err := NewLocal(h.lab.profile, settings)
	if err != nil {
		return err
	}
	h.stack = stack
	cable := h.newCable(device)
	cable.PeerHardwareAddr = h.mac
	cable.PeerNamespace = netlink.NsFd(stack.ns.file.Fd())
	if err := h.plugIn(cable); err != nil {
		return err
	}
	return h.configure()
}

// newCable is a cable from the switch to a device.
func (h *Host) newCable(to string) *netlink.Veth {
	cable := h.lab.port(h.name, h.network.bridge)
	cable.PeerName = to
	return cable
}

// plugIn plugs a new cable into the switch.
func (h *Host) plugIn(cable *netlink.Veth) error {
	if err := h.lab.rtnl.LinkAdd(cable); err != nil {
		return fmt.Errorf("cannot add the cable of %s: %w", h.name, err)
	}
	h.port = cable
	h.lab.record.AddPort(h.name, cable.Index)
	return nil
}

// configure configures the device at the host's end of the cable.
func (h *Host) configure() error {
	addresses := h.lab.spoken(h.ipv4, h.ipv6)
	var gateways []netip.Addr
	if h.network.routed {
		for _, prefix := range addresses {
			gateways = append(gateways, h.network.gateway(prefix))
		}
	}
	if err := h.stack.Configure(addresses, gateways); err != nil {
		return fmt.Errorf("%s: %w", h.name, err)
	}
	return h.portNoticed()
}

// Up tells whether the host is on.
func (h *Host) Up() bool { return h.stack != nil }

// on is the stack of a host that is on.
func (h *Host) on() (Stack, error) {
	if h.stack == nil {
		return nil, fmt.Errorf("%s: %w", h.name, errNamespaceGone)
	}
	return h.stack, nil
}

// local is the stack of a host that is on and of this machine's kernel.
func (h *Host) local() (*Local, error) {
	stack, err := h.on()
	if err != nil {
		return nil, err
	}
	local, ok := stack.(*Local)
	if !ok {
		return nil, fmt.Errorf("%s: %w", h.name, ErrElsewhere)
	}
	return local, nil
}

// ErrElsewhere is what can only be done on a host of this machine's kernel.
var ErrElsewhere = errors.New("the host is another machine")

// Do runs f on a thread in the host's namespace.
func (h *Host) Do(f func() error) error {
	local, err := h.local()
	if err != nil {
		return err
	}
	return local.ns.do(f)
}

// StartProcess starts a process on the host; it holds no socket yet. It dies with the host.
func (h *Host) StartProcess() (p *process.Process, err error) {
	stack, err := h.on()
	if err != nil {
		return nil, err
	}
	if p, err = stack.StartProcess(h.name); err != nil {
		return nil, fmt.Errorf("cannot start a process on %s: %w", h.name, err)
	}
	return p, nil
}

// Kernel is the host's kernel.
func (h *Host) Kernel() (kernel.Info, error) {
	stack, err := h.on()
	if err != nil {
		return kernel.Info{}, err
	}
	return stack.Kernel()
}

// Check holds a feature of kernel.Features against the host's kernel, as kernel.Check does.
func (h *Host) Check(feature string) error {
	stack, err := h.on()
	if err != nil {
		return err
	}
	return stack.Check(feature)
}

// Socket is what the host's kernel thinks of the connection with these ends; its state is
// socket.Gone when the kernel has none.
func (h *Host) Socket(local, remote netip.AddrPort) (socket.Snapshot, error) {
	stack, err := h.on()
	if err != nil {
		return socket.Snapshot{}, err
	}
	return stack.Socket(local, remote)
}

// Sockets are all TCP sockets of the host.
func (h *Host) Sockets() ([]socket.Snapshot, error) {
	stack, err := h.on()
	if err != nil {
		return nil, err
	}
	return stack.Sockets()
}

// DestroySocket ends a connection with SOCK_DESTROY, as `ss -K` does.
func (h *Host) DestroySocket(local, remote netip.AddrPort) error {
	stack, err := h.on()
	if err != nil {
		return err
	}
	return stack.DestroySocket(local, remote)
}

// Counters are the host's SNMP and netstat counters at this moment.
func (h *Host) Counters() (socket.Counters, error) {
	stack, err := h.on()
	if err != nil {
		return socket.Counters{}, err
	}
	return stack.Counters()
}

// IPv6Counters are those of IPv6, which are none of Counters.
func (h *Host) IPv6Counters() (socket.Counters, error) {
	stack, err := h.on()
	if err != nil {
		return socket.Counters{}, err
	}
	return stack.IPv6Counters()
}

// Timeouts are the settings the host's kernel really has.
func (h *Host) Timeouts() (kernel.Timeouts, error) {
	stack, err := h.on()
	if err != nil {
		return kernel.Timeouts{}, err
	}
	return stack.Timeouts()
}

// SysctlInt is a sysctl of the host that is one whole number.
func (h *Host) SysctlInt(name string) (int, error) {
	stack, err := h.on()
	if err != nil {
		return 0, err
	}
	return stack.SysctlInt(name)
}

// SetSysctl sets a sysctl of the host, now and after every reboot.
func (h *Host) SetSysctl(name, value string) error {
	stack, err := h.on()
	if err != nil {
		return err
	}
	if err := stack.SetSysctl(name, value); err != nil {
		return err
	}
	h.settings[name] = value
	h.lab.Note("%s: %s set to %s", h.name, name, value)
	return nil
}

// Firewall makes the host drop segments for a TCP port on arrival (port 0: for any), after they
// have crossed its cable.
func (h *Host) Firewall(port uint16) (*Filter, error) { return h.firewall(port, nil) }

// FirewallRejecting is Firewall with an answer to every segment it refuses.
func (h *Host) FirewallRejecting(port uint16, answer Answer) (*Filter, error) {
	return h.firewall(port, &answer)
}

func (h *Host) firewall(port uint16, answer *Answer) (*Filter, error) {
	stack, err := h.on()
	if err != nil {
		return nil, err
	}
	h.lab.filters++
	name := fmt.Sprintf("firewall-%d", h.lab.filters)
	if err := stack.Refuse(name, port, answer); err != nil {
		return nil, fmt.Errorf("cannot set the firewall of %s: %w", h.name, err)
	}
	verb := "drops"
	if answer != nil {
		verb = "answers with " + answer.name
	}
	h.lab.Note("%s: firewall %s every TCP segment it gets", h.name, verb)
	return &Filter{name: name, remove: func() error { return stack.Accept(name) }, note: func() {
		h.lab.Note("%s: firewall removed", h.name)
	}}, nil
}

// shutDown takes everything the host has.
func (h *Host) shutDown() error {
	var errs []error
	if h.stack != nil {
		errs = append(errs, h.stack.Close())
	}
	if h.guest != nil {
		errs = append(errs, h.guest.close())
	}
	h.stack, h.port, h.guest = nil, nil, nil
	return errors.Join(errs...)
}
