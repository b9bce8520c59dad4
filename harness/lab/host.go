package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

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

	// What a power-off takes away: nil while the host is off.
	ns        *namespace
	rtnl      *netlink.Handle
	diag      *socket.Diag
	link      netlink.Link // eth0, inside
	port      netlink.Link // the switch's end of the cable
	processes []*process.Process
	programs  []*process.Program
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

// boot gives the host a fresh stack: a new namespace with the profile's sysctls, a cable plugged
// in, the same MAC and the same addresses. Nothing of a former stack is left in it.
func (h *Host) boot() (err error) {
	if h.ns, err = newNamespace(); err != nil {
		return err
	}
	if err := h.ns.do(h.start); err != nil {
		return err
	}
	return h.plugIn()
}

// start runs in the new namespace before it has a cable: sysctls of "default" scope reach only
// devices that come later.
func (h *Host) start() (err error) {
	if err := h.lab.profile.Apply(); err != nil {
		return err
	}
	for name, value := range h.settings {
		if err := kernel.SetSysctl(name, value); err != nil {
			return err
		}
	}
	if h.rtnl, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("cannot open rtnetlink: %w", err)
	}
	lo, err := h.rtnl.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("cannot find lo: %w", err)
	}
	if err := h.rtnl.LinkSetUp(lo); err != nil {
		return fmt.Errorf("cannot bring up lo: %w", err)
	}
	h.diag, err = socket.Open()
	return err
}

// plugIn runs a new cable from the switch to the host and configures the device at its end.
func (h *Host) plugIn() error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = h.name
	attrs.MasterIndex = h.network.bridge.Attrs().Index
	attrs.Flags = net.FlagUp
	cable := netlink.NewVeth(attrs)
	cable.PeerName = device
	cable.PeerHardwareAddr = h.mac
	cable.PeerNamespace = netlink.NsFd(h.ns.file.Fd())
	if err := h.lab.rtnl.LinkAdd(cable); err != nil {
		return fmt.Errorf("cannot add the cable of %s: %w", h.name, err)
	}
	port, err := h.lab.rtnl.LinkByName(h.name)
	if err != nil {
		return fmt.Errorf("cannot find the port of %s: %w", h.name, err)
	}
	h.port = port
	h.lab.record.AddPort(h.name, port.Attrs().Index)
	if h.link, err = h.rtnl.LinkByName(device); err != nil {
		return fmt.Errorf("cannot find %s of %s: %w", device, h.name, err)
	}
	if err := h.ns.do(func() error { return disableTxChecksumOffload(device) }); err != nil {
		return err
	}
	if err := h.rtnl.LinkSetUp(h.link); err != nil {
		return fmt.Errorf("cannot bring up %s of %s: %w", device, h.name, err)
	}
	if err := h.carrierNoticed(); err != nil {
		return err
	}
	prefixes := []netip.Prefix{h.ipv4, h.ipv6}
	if _, err := os.Stat("/proc/sys/net/ipv6"); errors.Is(err, os.ErrNotExist) {
		prefixes = prefixes[:1] // a kernel without IPv6 has claims over IPv4 to prove
	}
	for _, prefix := range prefixes {
		if err := h.addAddress(prefix); err != nil {
			return err
		}
		if h.network.routed {
			if err := h.addDefaultRoute(h.network.gateway(prefix)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Up tells whether the host is on.
func (h *Host) Up() bool { return h.ns != nil }

// Do runs f on a thread in the host's namespace.
func (h *Host) Do(f func() error) error {
	if h.ns == nil {
		return fmt.Errorf("%s: %w", h.name, errNamespaceGone)
	}
	return h.ns.do(f)
}

// StartProcess starts a process on the host; it holds no socket yet. It dies with the host.
func (h *Host) StartProcess() (p *process.Process, err error) {
	err = h.Do(func() error {
		p, err = process.Start(process.Options{Name: h.name})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot start a process on %s: %w", h.name, err)
	}
	h.processes = append(h.processes, p)
	return p, nil
}

// Socket is what the host's kernel thinks of the connection with these ends; its state is
// socket.Gone when the kernel has none.
func (h *Host) Socket(local, remote netip.AddrPort) (socket.Snapshot, error) {
	if h.diag == nil {
		return socket.Snapshot{}, fmt.Errorf("%s: %w", h.name, errNamespaceGone)
	}
	return h.diag.Get(local, remote)
}

// Sockets are all TCP sockets of the host.
func (h *Host) Sockets() ([]socket.Snapshot, error) { return h.diag.List() }

// DestroySocket ends a connection with SOCK_DESTROY, as `ss -K` does.
func (h *Host) DestroySocket(local, remote netip.AddrPort) error {
	return h.diag.Destroy(local, remote)
}

// Counters are the host's SNMP and netstat counters at this moment.
func (h *Host) Counters() (counters socket.Counters, err error) {
	err = h.Do(func() error {
		counters, err = socket.ReadCounters()
		return err
	})
	return counters, err
}

// Timeouts are the settings the host's kernel really has.
func (h *Host) Timeouts() (timeouts kernel.Timeouts, err error) {
	err = h.Do(func() error {
		timeouts, err = kernel.ReadTimeouts()
		return err
	})
	return timeouts, err
}

// SetSysctl sets a sysctl of the host, now and after every reboot.
func (h *Host) SetSysctl(name, value string) error {
	if err := h.Do(func() error { return kernel.SetSysctl(name, value) }); err != nil {
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
	h.lab.filters++
	name := fmt.Sprintf("firewall-%d", h.lab.filters)
	rule, verb := tcpOnly(), "drops"
	if port != 0 {
		rule = tcpDestinationPort(port)
	}
	if answer == nil {
		rule = append(rule, drop())
	} else {
		reject := answer.expr
		rule, verb = append(rule, &reject), "answers with "+answer.name
	}
	if h.ns == nil {
		return nil, fmt.Errorf("%s: %w", h.name, errNamespaceGone)
	}
	if err := setFilter(h.ns, nftables.TableFamilyINet, name, nftables.ChainHookInput, rule...); err != nil {
		return nil, fmt.Errorf("cannot set the firewall of %s: %w", h.name, err)
	}
	h.lab.Note("%s: firewall %s every TCP segment it gets", h.name, verb)
	return &Filter{ns: h.ns, family: nftables.TableFamilyINet, name: name, note: func() {
		h.lab.Note("%s: firewall removed", h.name)
	}}, nil
}

// shutDown takes everything the host has. Its end of the cable goes with the namespace.
func (h *Host) shutDown() error {
	var errs []error
	for _, p := range h.processes {
		errs = append(errs, p.Stop())
	}
	for _, p := range h.programs {
		errs = append(errs, p.Stop())
	}
	if h.diag != nil {
		// An orphan that waits for an acknowledgement holds its namespace until tcp_orphan_retries
		// is through, a minute and more: end it now.
		h.diag.DestroyAll()
		errs = append(errs, h.diag.Close())
	}
	if h.rtnl != nil {
		h.rtnl.Close()
	}
	errs = append(errs, h.ns.close())
	h.ns, h.rtnl, h.diag, h.link, h.port, h.processes, h.programs = nil, nil, nil, nil, nil, nil, nil
	return errors.Join(errs...)
}

// addAddress returns when the address can be used.
func (h *Host) addAddress(prefix netip.Prefix) error {
	if err := addAddress(h.ns, h.rtnl, h.link, prefix); err != nil {
		return fmt.Errorf("%s: %w", h.name, err)
	}
	return nil
}

// addAddress gives a device in a namespace an address and returns when it can be used.
func addAddress(ns *namespace, rtnl *netlink.Handle, link netlink.Link, prefix netip.Prefix) error {
	usable := func() error { return nil }
	if prefix.Addr().Is6() {
		routes, err := ns.watchRoutes()
		if err != nil {
			return fmt.Errorf("cannot add %s: %w", prefix, err)
		}
		defer routes.Close()
		usable = func() error { return awaitLocalRoute(routes, prefix.Addr()) }
	}
	address := &netlink.Addr{IPNet: ipNet(prefix), Flags: unix.IFA_F_NODAD}
	if err := rtnl.AddrAdd(link, address); errors.Is(err, os.ErrExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("cannot add %s: %w", prefix, err)
	}
	if err := usable(); err != nil {
		return fmt.Errorf("cannot use %s: %w", prefix, err)
	}
	return nil
}

func ipNet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
}
