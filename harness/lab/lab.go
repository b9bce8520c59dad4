package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/wire"
)

// Lab is the stage of one spec: a switch, the hosts plugged into it, and the record of what
// crossed their cables.
type Lab struct {
	*fabric
	profile kernel.Profile
	family  int      // that everything is about, or 0
	near    *network // the only one where there is no router
	router  *Router
	record  *wire.Capture
	hosts   []*Host
	filters int
}

// New builds an empty lab whose switch is already being captured. The profile decides the sysctls
// of every host that is added.
func New(profile kernel.Profile) (*Lab, error) {
	f, err := newFabric()
	if err != nil {
		return nil, fmt.Errorf("cannot build the switch: %w", err)
	}
	l := &Lab{fabric: f, profile: profile}
	if err := f.ns.do(l.build); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot build the switch: %w", err), l.Close())
	}
	return l, nil
}

// Over makes IPv4 or IPv6, 4 or 6, the only family that the hosts and routers to come have addresses in. Another one
// would change nothing that is seen, and keep their kernels busy: with its addresses, and with the timers of each.
func (l *Lab) Over(family int) { l.family = family }

// spoken are those of the prefixes that are of the family that the lab is about.
func (l *Lab) spoken(prefixes ...netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(prefixes, func(p netip.Prefix) bool {
		family := 4
		if p.Addr().Is6() {
			family = 6
		}
		return l.family != 0 && l.family != family
	})
}

func (l *Lab) build() (err error) {
	if l.near, err = l.newNetwork("switch", nearIPv4, nearIPv6); err != nil {
		return err
	}
	l.record, err = wire.Open()
	return err
}

// Wire is the record of every frame at every port of the switch since the lab was built.
func (l *Lab) Wire() *wire.Capture { return l.record }

// Hosts are the hosts in the order in which they were added.
func (l *Lab) Hosts() []*Host { return l.hosts }

// Note writes an event into the record at this moment, where the pcapng keeps it as a comment.
func (l *Lab) Note(format string, args ...any) {
	l.record.Note(mono.Now(), fmt.Sprintf(format, args...))
}

// AddHost plugs a new host into the switch. Its name (at most 15 bytes) is also its port's; its
// number decides its addresses: the first host is 192.0.2.1 and 2001:db8::1.
func (l *Lab) AddHost(name string) (*Host, error) { return l.addHost(name, l.near, nil) }

// AddMachine is AddHost with a machine, whose device has the MAC of its number (MAC).
func (l *Lab) AddMachine(name string, machine Machine) (*Host, error) {
	return l.addHost(name, l.near, machine)
}

// MAC is the hardware address of the host that is added as the number-th, from 1.
func MAC(number int) net.HardwareAddr { return net.HardwareAddr{0x02, 0, 0, 0, 0, byte(number)} }

func (l *Lab) addHost(name string, network *network, machine Machine) (*Host, error) {
	number := byte(len(l.hosts) + 1)
	h := &Host{
		lab:      l,
		network:  network,
		name:     name,
		mac:      MAC(int(number)),
		ipv4:     network.address4(number),
		ipv6:     network.address6(number),
		settings: map[string]string{},
		machine:  machine,
	}
	l.hosts = append(l.hosts, h)
	if err := h.boot(); err != nil {
		return nil, fmt.Errorf("cannot set up host %s: %w", name, err)
	}
	return h, nil
}

// Blackhole makes the path from one host to the other swallow part of the TCP segments, without a
// word to anybody, until the filter is removed. They are still seen at the sender's port. Address
// resolution passes, as it does when the fault lies further along the path.
func (l *Lab) Blackhole(from, to *Host, traffic Traffic) (*Filter, error) {
	l.filters++
	name := fmt.Sprintf("blackhole-%d", l.filters)
	ports := [][]expr.Any{append(onPort(expr.MetaKeyIIFNAME, from.name), onPort(expr.MetaKeyOIFNAME, to.name)...)}
	if from.network != to.network {
		// A path over a router: lost before it gets there, and behind it what the router itself makes.
		ports = [][]expr.Any{onPort(expr.MetaKeyIIFNAME, from.name), onPort(expr.MetaKeyOIFNAME, to.name)}
	}
	var rules [][]expr.Any
	for _, port := range ports {
		rules = append(rules, append(append(port, traffic.match()...), drop()))
	}
	if err := setRules(l.ns, nftables.TableFamilyBridge, name, forwardFilter, rules...); err != nil {
		return nil, fmt.Errorf("cannot blackhole the path from %s to %s: %w", from.name, to.name, err)
	}
	l.Note("path from %s to %s: blackhole swallows %s", from.name, to.name, traffic)
	return &Filter{name: name, remove: func() error { return removeFilter(l.ns, nftables.TableFamilyBridge, name) }, note: func() {
		l.Note("path from %s to %s: blackhole removed", from.name, to.name)
	}}, nil
}

// Close powers every host off, stops the capture and lets the namespaces go. The record stays
// readable. It is not to be called twice.
func (l *Lab) Close() error {
	var errs []error
	for _, h := range l.hosts {
		errs = append(errs, h.shutDown())
	}
	if l.router != nil {
		errs = append(errs, l.router.close())
	}
	if l.record != nil {
		errs = append(errs, l.record.Close())
	}
	return errors.Join(append(errs, l.release())...)
}
