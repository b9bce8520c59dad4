package lab

import (
	"context"
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

// processes are those that one lab has left for the next.
var processes process.Reserve

// Local is a stack of this machine's kernel: a network namespace with one device and its processes.
type Local struct {
	ns        *namespace
	rtnl      *netlink.Handle
	diag      *socket.Diag
	link      netlink.Link // the device; nil before Configure
	processes []*process.Process
	programs  []*process.Program
}

// NewLocal makes a fresh stack with the profile's sysctls and the settings; it has no device but lo yet.
// Sysctls of "default" scope reach only devices that come later.
func NewLocal(profile kernel.Profile, settings map[string]string) (s *Local, err error) {
	s = &Local{}
	if s.ns, err = newNamespace(); err != nil {
		return nil, err
	}
	if err := s.ns.do(func() error { return s.start(profile, settings) }); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Local) start(profile kernel.Profile, settings map[string]string) (err error) {
	if err := profile.ApplyToNew(); err != nil {
		return err
	}
	for name, value := range settings {
		if err := kernel.SetSysctl(name, value); err != nil {
			return err
		}
	}
	if s.rtnl, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("cannot open rtnetlink: %w", err)
	}
	lo, err := deviceNamed("lo")
	if err != nil {
		return err
	}
	if err := s.rtnl.LinkSetUp(lo); err != nil {
		return fmt.Errorf("cannot bring up lo: %w", err)
	}
	s.diag, err = socket.Open()
	return err
}

// Adopt moves a device of the calling thread's namespace into the stack, as the one that Configure is about.
func (s *Local) Adopt(name string) error {
	link, err := deviceNamed(name)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetNsFd(link, int(s.ns.file.Fd())); err != nil {
		return fmt.Errorf("cannot move %s into the host's stack: %w", name, err)
	}
	if name == device {
		return nil
	}
	if err := s.rtnl.LinkSetName(link, device); err != nil {
		return fmt.Errorf("cannot rename %s: %w", name, err)
	}
	return nil
}

// Surrender moves the device back to the namespace of the calling thread, before a Close: nothing crosses
// the cable any more.
func (s *Local) Surrender() error {
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return fmt.Errorf("cannot hold this network namespace: %w", err)
	}
	defer here.Close()
	link, err := s.ns.device(device)
	if err != nil {
		return err
	}
	if err := s.rtnl.LinkSetNsFd(link, int(here.Fd())); err != nil {
		return fmt.Errorf("cannot take %s back: %w", device, err)
	}
	return nil
}

// Terminate ends the processes as an orderly shutdown does: SIGTERM, for those that mind it no more than
// these do.
func (s *Local) Terminate(ctx context.Context) error {
	var errs []error
	for _, p := range s.processes {
		if _, err := p.Die(ctx, process.Terminated); err != nil && !errors.Is(err, process.ErrDead) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Kernel is the running kernel.
func (s *Local) Kernel() (kernel.Info, error) { return kernel.Running() }

// Check implements Stack.
func (s *Local) Check(name string) error {
	feature, err := kernel.FeatureNamed(name)
	if err != nil {
		return err
	}
	running, err := kernel.Running()
	if err != nil {
		return err
	}
	return s.ns.do(func() error { return kernel.Check(feature, running) })
}

// Configure implements Stack.
func (s *Local) Configure(addresses []netip.Prefix, gateways []netip.Addr) (err error) {
	if s.link, err = s.ns.device(device); err != nil {
		return err
	}
	if err := s.ns.do(func() error { return disableTxChecksumOffload(device) }); err != nil {
		return err
	}
	if err := s.rtnl.LinkSetUp(s.link); err != nil {
		return fmt.Errorf("cannot bring up %s: %w", device, err)
	}
	if err := s.NoticeCarrier(); err != nil {
		return err
	}
	with6 := hasIPv6() // a kernel without it has claims over IPv4 to prove
	for _, prefix := range addresses {
		if prefix.Addr().Is6() && !with6 {
			continue
		}
		if err := s.AddAddress(prefix); err != nil {
			return err
		}
	}
	for _, gateway := range gateways {
		if gateway.Is6() && !with6 {
			continue
		}
		if err := s.addGateway(gateway); err != nil {
			return err
		}
	}
	return nil
}

// NoticeCarrier implements Stack.
func (s *Local) NoticeCarrier() error {
	return s.ns.do(func() error { return noticeCarrier(s.link) })
}

// SetLink implements Stack.
func (s *Local) SetLink(up bool) error {
	if up {
		return s.rtnl.LinkSetUp(s.link)
	}
	return s.rtnl.LinkSetDown(s.link)
}

// AddAddress returns when the address can be used.
func (s *Local) AddAddress(prefix netip.Prefix) error {
	return addAddress(s.ns, s.rtnl, s.link, prefix)
}

// RemoveAddress implements Stack.
func (s *Local) RemoveAddress(prefix netip.Prefix) error {
	return s.rtnl.AddrDel(s.link, &netlink.Addr{IPNet: ipNet(prefix)})
}

// AddAddressTo implements Stack.
func (s *Local) AddAddressTo(device string, address netip.Addr) error {
	if device != "lo" {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.Flags = device, net.FlagUp
		if err := s.rtnl.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	link, err := s.ns.device(device)
	if err != nil {
		return err
	}
	return addAddress(s.ns, s.rtnl, link, netip.PrefixFrom(address, address.BitLen()))
}

// ForgetNeighbours empties the ARP and neighbour-discovery tables.
func (s *Local) ForgetNeighbours() error { return forgetNeighbours(s.rtnl, s.link) }

// PinNeighbour implements Stack.
func (s *Local) PinNeighbour(address netip.Addr, mac net.HardwareAddr) error {
	return s.rtnl.NeighSet(&netlink.Neigh{
		LinkIndex:    s.link.Attrs().Index,
		State:        netlink.NUD_PERMANENT,
		IP:           address.AsSlice(),
		HardwareAddr: mac,
	})
}

// RemoveRoute implements Stack.
func (s *Local) RemoveRoute(of netip.Prefix) error { return s.rtnl.RouteDel(s.connectedRoute(of)) }

// RestoreRoute implements Stack.
func (s *Local) RestoreRoute(of netip.Prefix, minimumRTO int) error {
	route := s.connectedRoute(of)
	route.RtoMin, route.RtoMinLock = minimumRTO, minimumRTO != 0
	return s.rtnl.RouteReplace(route)
}

// connectedRoute is the route that came with an address.
func (s *Local) connectedRoute(of netip.Prefix) *netlink.Route {
	route := &netlink.Route{
		LinkIndex: s.link.Attrs().Index,
		Dst:       ipNet(of.Masked()),
		Protocol:  2, // RTPROT_KERNEL
	}
	if of.Addr().Is4() {
		route.Scope, route.Src = netlink.SCOPE_LINK, of.Addr().AsSlice()
	} else {
		route.Priority = 256 // IP6_RT_PRIO_ADDRCONF
	}
	return route
}

// AddDefaultRoute implements Stack.
func (s *Local) AddDefaultRoute(family int) error {
	everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if family == 6 {
		everything = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return s.rtnl.RouteAdd(&netlink.Route{LinkIndex: s.link.Attrs().Index, Dst: ipNet(everything), Scope: netlink.SCOPE_LINK})
}

// addGateway sends what is not for the host's own network to a gateway.
func (s *Local) addGateway(gateway netip.Addr) error {
	everywhere := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if gateway.Is6() {
		everywhere = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	err := s.rtnl.RouteReplace(&netlink.Route{LinkIndex: s.link.Attrs().Index, Dst: ipNet(everywhere), Gw: gateway.AsSlice()})
	if err != nil {
		return fmt.Errorf("cannot route over %s: %w", gateway, err)
	}
	return nil
}

// SetSysctl implements Stack.
func (s *Local) SetSysctl(name, value string) error {
	return s.ns.do(func() error { return kernel.SetSysctl(name, value) })
}

// SysctlInt implements Stack.
func (s *Local) SysctlInt(name string) (value int, err error) {
	err = s.ns.do(func() error {
		value, err = kernel.SysctlInt(name)
		return err
	})
	return value, err
}

// Timeouts implements Stack.
func (s *Local) Timeouts() (timeouts kernel.Timeouts, err error) {
	err = s.ns.do(func() error {
		timeouts, err = kernel.ReadTimeouts()
		return err
	})
	return timeouts, err
}

// Counters implements Stack.
func (s *Local) Counters() (counters socket.Counters, err error) {
	err = s.ns.do(func() error {
		counters, err = socket.ReadCounters()
		return err
	})
	return counters, err
}

// IPv6Counters implements Stack.
func (s *Local) IPv6Counters() (counters socket.Counters, err error) {
	err = s.ns.do(func() error {
		counters, err = socket.ReadIPv6Counters()
		return err
	})
	return counters, err
}

// Socket implements Stack.
func (s *Local) Socket(local, remote netip.AddrPort) (socket.Snapshot, error) {
	return s.diag.Get(local, remote)
}

// Sockets are all TCP sockets of the stack.
func (s *Local) Sockets() ([]socket.Snapshot, error) { return s.diag.List() }

// DestroySocket implements Stack.
func (s *Local) DestroySocket(local, remote netip.AddrPort) error {
	return s.diag.Destroy(local, remote)
}

// Refuse implements Stack.
func (s *Local) Refuse(filter string, port uint16, answer *Answer) error {
	rule := tcpOnly()
	if port != 0 {
		rule = tcpDestinationPort(port)
	}
	if answer == nil {
		rule = append(rule, drop())
	} else {
		reject := answer.expr
		rule = append(rule, &reject)
	}
	return setFilter(s.ns, nftables.TableFamilyINet, filter, nftables.ChainHookInput, rule...)
}

// Accept implements Stack.
func (s *Local) Accept(filter string) error {
	return removeFilter(s.ns, nftables.TableFamilyINet, filter)
}

// StartProcess implements Stack.
func (s *Local) StartProcess(name string) (p *process.Process, err error) {
	err = s.ns.do(func() error {
		p, err = processes.Start(process.Options{Name: name})
		return err
	})
	if err == nil {
		s.processes = append(s.processes, p)
	}
	return p, err
}

// startProgram starts a program, as start does on the thread it is called on.
func (s *Local) startProgram(start func() (*process.Program, error)) (p *process.Program, err error) {
	err = s.ns.do(func() error {
		p, err = start()
		return err
	})
	if err == nil {
		s.programs = append(s.programs, p)
	}
	return p, err
}

// Close implements Stack. The end of a cable in it goes with the namespace.
func (s *Local) Close() error {
	var errs []error
	for _, p := range s.processes {
		errs = append(errs, p.Stop())
	}
	for _, p := range s.programs {
		errs = append(errs, p.Stop())
	}
	if s.diag != nil {
		// An orphan that waits for an acknowledgement holds its namespace until tcp_orphan_retries
		// is through, a minute and more: end it now.
		s.diag.DestroyAll()
		errs = append(errs, s.diag.Close())
	}
	if s.rtnl != nil {
		s.rtnl.Close()
	}
	return errors.Join(append(errs, s.ns.close())...)
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
