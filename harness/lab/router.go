package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/kernel"
)

// Router is a host in the middle: it has a cable in both networks of the lab and forwards between
// them. It is neither a firewall nor a NAT before it is given rules (Rules), and tracks no connection
// before a rule asks about one.
type Router struct {
	lab  *Lab
	name string
	far  *network
	ns   *namespace
	rtnl *netlink.Handle // rtnetlink and, for connection tracking, netfilter's
	link [2]netlink.Link // nearDevice and farDevice, inside
	port [2]netlink.Link // the switch's ends of their cables
}

// The router's devices, at its ends of the two cables.
const (
	nearDevice = "near"
	farDevice  = "far"
)

// AddRouter plugs a router into the switch, between the hosts of AddHost and those of AddHostBehind, which
// are to be added afterwards: they get their default route from it. Its name (at most 10 bytes) is its
// ports' in the record.
func (l *Lab) AddRouter(name string) (r *Router, err error) {
	r = &Router{lab: l, name: name}
	l.router = r
	if err := l.ns.do(func() error {
		r.far, err = l.newNetwork("switch-far", farIPv4, farIPv6)
		return err
	}); err != nil {
		return nil, fmt.Errorf("cannot set up the network behind %s: %w", name, err)
	}
	if r.ns, err = newNamespace(); err != nil {
		return nil, fmt.Errorf("cannot set up %s: %w", name, err)
	}
	if err := r.ns.do(r.start); err != nil {
		return nil, fmt.Errorf("cannot set up %s: %w", name, err)
	}
	for i, n := range []*network{l.near, r.far} {
		if r.link[i], r.port[i], err = r.plugIn(n, []string{nearDevice, farDevice}[i], routerMAC(i)); err != nil {
			return nil, fmt.Errorf("cannot set up %s: %w", name, err)
		}
		n.routed = true
	}
	return r, nil
}

// AddHostBehind is AddHost for the network behind the router.
func (r *Router) AddHostBehind(name string) (*Host, error) { return r.lab.addHost(name, r.far, nil) }

// start runs in the new namespace before it has a cable.
func (r *Router) start() (err error) {
	if err := r.lab.profile.ApplyToNew(); err != nil {
		return err
	}
	if err := kernel.Forward(); err != nil {
		return err
	}
	if r.lab.family == 4 {
		if err := keepIPv6Off(); err != nil {
			return err
		}
	}
	if r.rtnl, err = netlink.NewHandle(unix.NETLINK_ROUTE, unix.NETLINK_NETFILTER); err != nil {
		return fmt.Errorf("cannot open netlink: %w", err)
	}
	return nil
}

// routerMAC is the hardware address of a router's first or second device.
func routerMAC(device int) net.HardwareAddr {
	return net.HardwareAddr{0x02, 0, 0, 0, 0, byte(0xf0 + device)}
}

// plugIn runs a cable from a network to the router and gives the router its addresses there.
func (r *Router) plugIn(n *network, name string, mac net.HardwareAddr) (link, port netlink.Link, err error) {
	cable := r.lab.port(r.name+"-"+name, n.bridge)
	cable.PeerName = name
	cable.PeerHardwareAddr = mac
	cable.PeerNamespace = netlink.NsFd(r.ns.file.Fd())
	if err := r.lab.rtnl.LinkAdd(cable); err != nil {
		return nil, nil, fmt.Errorf("cannot add the cable %s: %w", name, err)
	}
	r.lab.record.AddRouterPort(r.name, cable.Index)
	if link, err = r.ns.device(name); err != nil {
		return nil, nil, err
	}
	if err := r.ns.do(func() error { return disableTxChecksumOffload(name) }); err != nil {
		return nil, nil, err
	}
	if err := r.rtnl.LinkSetUp(link); err != nil {
		return nil, nil, fmt.Errorf("cannot bring up %s: %w", name, err)
	}
	err = errors.Join(
		r.ns.do(func() error { return noticeCarrier(link) }),
		r.lab.ns.do(func() error { return noticeCarrier(cable) }),
	)
	if err != nil {
		return nil, nil, err
	}
	for _, prefix := range r.addresses(n) {
		if err := addAddress(r.ns, r.rtnl, link, prefix); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return link, cable, nil
}

// addresses are the router's in a network, in each family that the kernel has.
func (r *Router) addresses(n *network) []netip.Prefix {
	all := r.lab.spoken(n.address4(routerNumber), n.address6(routerNumber))
	if !hasIPv6() {
		all = slices.DeleteFunc(all, func(p netip.Prefix) bool { return p.Addr().Is6() })
	}
	return all
}

// Name is the router's, by which segments that it makes itself are told in the record.
func (r *Router) Name() string { return r.name }

func (r *Router) String() string { return r.name }

// Do runs f on a thread in the router's namespace.
func (r *Router) Do(f func() error) error { return r.ns.do(f) }

// SetSysctl sets a sysctl of the router.
func (r *Router) SetSysctl(name, value string) error {
	if err := r.Do(func() error { return kernel.SetSysctl(name, value) }); err != nil {
		return err
	}
	r.lab.Note("%s: %s set to %s", r.name, name, value)
	return nil
}

// close lets the router go with all it has.
func (r *Router) close() error {
	if r.rtnl != nil {
		r.rtnl.Close()
	}
	if r.ns == nil {
		return nil
	}
	return r.ns.close()
}
