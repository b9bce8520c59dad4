package lab

import (
	"net/netip"

	"github.com/vishvananda/netlink"
)

// The networks of a lab: documentation prefixes all (RFC 5737, RFC 3849). The near one is the clients',
// and the only one where there is no router; the far one lies behind the router.
var (
	nearIPv4 = netip.MustParsePrefix("192.0.2.0/24")
	nearIPv6 = netip.MustParsePrefix("2001:db8::/64")
	farIPv4  = netip.MustParsePrefix("198.51.100.0/24")
	farIPv6  = netip.MustParsePrefix("2001:db8:0:1::/64")
)

// routerNumber is the router's in both networks, as a host's number is its.
const routerNumber = 254

// network is a bridge of the switch with the addresses that are in use there. Two networks share the
// switch's namespace, so that one capture sees both; nothing but a router joins them.
type network struct {
	bridge     netlink.Link
	ipv4, ipv6 netip.Prefix
	routed     bool // a router is there, and its hosts send through it what is for elsewhere
}

// newNetwork adds a network to the switch, on the thread of its namespace.
func (l *Lab) newNetwork(name string, ipv4, ipv6 netip.Prefix) (*network, error) {
	bridge, err := l.bridge(name)
	if err != nil {
		return nil, err
	}
	return &network{bridge: bridge, ipv4: ipv4, ipv6: ipv6}, nil
}

func (n *network) address4(number byte) netip.Prefix { return numbered(n.ipv4, number) }
func (n *network) address6(number byte) netip.Prefix { return numbered(n.ipv6, number) }

// gateway is the router's address in the family of a prefix.
func (n *network) gateway(of netip.Prefix) netip.Addr {
	if of.Addr().Is4() {
		return n.address4(routerNumber).Addr()
	}
	return n.address6(routerNumber).Addr()
}

// numbered is an address of a network, with the network's length.
func numbered(network netip.Prefix, number byte) netip.Prefix {
	bytes := network.Addr().AsSlice()
	bytes[len(bytes)-1] = number
	address, _ := netip.AddrFromSlice(bytes)
	return netip.PrefixFrom(address, network.Bits())
}
