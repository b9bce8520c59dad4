package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/kernel"
)

// fabric is what a switch is made of: a namespace with bridges in it. It outlives its lab and is the next
// one's, without a port, a filter or a memory of who was where: to take a bridge down, the kernel waits for an
// RCU grace period with its lock of all network devices held (br_multicast_dev_del), and with a bridge
// for each spec all others of the machine waited with it, 400 ms at the worst. What a claim is about, a
// host's stack, is never used twice.
type fabric struct {
	ns      *namespace
	rtnl    *netlink.Handle
	bridges map[string]netlink.Link
	cables  int // that it has had
	packets int // a packet socket by which frames leave by a port; 0 before the first
}

// ports is the device group that all ports are in, so that they can be taken away at once.
const ports = 1

// firstPort is the first port's index. That of each is given and not asked for; the kernel's own choices are small.
const firstPort = 1000

// spares are the fabrics of labs that are closed.
var spares struct {
	sync.Mutex
	fabrics []*fabric
}

// newFabric is a spare one, or a new one without a bridge.
func newFabric() (*fabric, error) {
	spares.Lock()
	defer spares.Unlock()
	if last := len(spares.fabrics) - 1; last >= 0 {
		f := spares.fabrics[last]
		spares.fabrics = spares.fabrics[:last]
		return f, nil
	}
	f := &fabric{bridges: map[string]netlink.Link{}}
	var err error
	if f.ns, err = newNamespace(); err != nil {
		return nil, err
	}
	if err := f.ns.do(f.open); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// noIPv6 is the sysctl that keeps IPv6 off devices to come.
const noIPv6 = "net.ipv6.conf.default.disable_ipv6"

// hasIPv6 tells whether this kernel has it.
func hasIPv6() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return !errors.Is(err, os.ErrNotExist)
}

// keepIPv6Off keeps it off the devices to come of the calling thread's namespace.
func keepIPv6Off() error {
	if !hasIPv6() {
		return nil
	}
	return kernel.SetSysctl(noIPv6, "1")
}

func (f *fabric) open() (err error) {
	// A switch has no addresses; IPv6 off keeps its own router solicitations and multicast reports off the
	// cables. Only lo is there before this, and is no cable. That of "all" would need the kernel's lock of all
	// network devices, and tries for it without a pause while others have it (addrconf_disable_ipv6).
	if err := keepIPv6Off(); err != nil {
		return err
	}
	if f.rtnl, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("cannot open rtnetlink: %w", err)
	}
	return nil
}

// bridge is the fabric's bridge of that name, on the thread of its namespace.
func (f *fabric) bridge(name string) (netlink.Link, error) {
	if bridge, there := f.bridges[name]; there {
		return bridge, nil
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	attrs.Flags = net.FlagUp
	snooping := false // it would put IGMP and MLD queries on every cable
	if err := f.rtnl.LinkAdd(&netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping}); err != nil {
		return nil, fmt.Errorf("cannot add the bridge: %w", err)
	}
	bridge, err := deviceNamed(name)
	if err != nil {
		return nil, err
	}
	f.bridges[name] = bridge
	return bridge, nil
}

// port is what a new cable from the fabric to somewhere else has at this end: its name, and the bridge that it
// is a port of.
func (f *fabric) port(name string, bridge netlink.Link) *netlink.Veth {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	attrs.Index = firstPort + f.cables
	f.cables++
	attrs.MasterIndex = bridge.Attrs().Index
	attrs.Flags = net.FlagUp
	attrs.Group = ports
	return netlink.NewVeth(attrs)
}

// injector is the packet socket by which frames leave, on the thread of the fabric's namespace. It stays: to close one the
// kernel waits for an RCU grace period (packet_release), 8 ms in which another frame may be due.
func (f *fabric) injector() (fd int, err error) {
	if f.packets != 0 {
		return f.packets, nil
	}
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, fmt.Errorf("cannot open a packet socket: %w", err)
	}
	f.packets = fd
	return fd, nil
}

// clear takes every port and every filter away.
func (f *fabric) clear() error {
	return f.ns.do(func() error {
		request := nl.NewNetlinkRequest(unix.RTM_DELLINK, unix.NLM_F_ACK)
		request.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		request.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(ports)))
		// ENODEV: there is none (any more: it went with the namespace of the cable's other end).
		if _, err := request.Execute(unix.NETLINK_ROUTE, 0); err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("cannot remove the ports: %w", err)
		}
		nft, err := nftables.New()
		if err != nil {
			return fmt.Errorf("cannot reach nf_tables: %w", err)
		}
		nft.FlushRuleset()
		if err := nft.Flush(); err != nil {
			return fmt.Errorf("cannot remove the filters: %w", err)
		}
		return nil
	})
}

// release keeps the fabric for the next lab, or lets it go where it cannot be cleared: a kernel without
// nf_tables, say.
func (f *fabric) release() error {
	if err := f.clear(); err != nil {
		return f.close()
	}
	spares.Lock()
	defer spares.Unlock()
	spares.fabrics = append(spares.fabrics, f)
	return nil
}

func (f *fabric) close() error {
	if f.rtnl != nil {
		f.rtnl.Close()
	}
	if f.packets != 0 {
		_ = unix.Close(f.packets)
	}
	return f.ns.close()
}
