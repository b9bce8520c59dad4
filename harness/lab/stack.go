package lab

import (
	"net"
	"net/netip"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/socket"
)

// Stack is the network stack of a host that is on: what its kernel is told and asked. It is a Local, or
// one of another machine's kernel. All times are of this machine's monotonic clock.
type Stack interface {
	// Kernel is the kernel that the stack is part of.
	Kernel() (kernel.Info, error)
	// Check probes a feature of kernel.Features and holds it against the kernel's release, as kernel.Check.
	Check(feature string) error

	// Configure brings the device up, with addresses that can be used at once and routes over gateways.
	Configure(addresses []netip.Prefix, gateways []netip.Addr) error
	// NoticeCarrier returns when the kernel has acted on the carrier that the device has now.
	NoticeCarrier() error
	SetLink(up bool) error
	AddAddress(prefix netip.Prefix) error
	RemoveAddress(prefix netip.Prefix) error
	// AddAddressTo gives an address to "lo", or to a bridge of that name without a port, which is added.
	AddAddressTo(device string, address netip.Addr) error
	ForgetNeighbours() error
	PinNeighbour(address netip.Addr, mac net.HardwareAddr) error
	// RemoveRoute takes the route away that came with an address; RestoreRoute gives it back, with a
	// minimum of the retransmission timeout in milliseconds (ip-route(8), rto_min) if that is not 0.
	RemoveRoute(of netip.Prefix) error
	RestoreRoute(of netip.Prefix, minimumRTO int) error
	// AddDefaultRoute makes the host look for every address of a family on its own network.
	AddDefaultRoute(family int) error

	SetSysctl(name, value string) error
	// SysctlInt is a sysctl that is one whole number.
	SysctlInt(name string) (int, error)
	// Timeouts are the settings the kernel really has.
	Timeouts() (kernel.Timeouts, error)
	// Counters are the SNMP and netstat counters at this moment.
	Counters() (socket.Counters, error)
	// IPv6Counters are those of IPv6, which are none of Counters.
	IPv6Counters() (socket.Counters, error)

	// Socket is what the kernel thinks of the connection with these ends; its state is socket.Gone when
	// it has none.
	Socket(local, remote netip.AddrPort) (socket.Snapshot, error)
	Sockets() ([]socket.Snapshot, error)
	// DestroySocket ends a connection with SOCK_DESTROY, as ss -K does.
	DestroySocket(local, remote netip.AddrPort) error

	// Refuse sets a packet filter by a name: TCP segments for a port (0: for any) are dropped on arrival,
	// or answered. Accept removes it.
	Refuse(filter string, port uint16, answer *Answer) error
	Accept(filter string) error

	// StartProcess starts a process; it holds no socket yet, and dies with the stack.
	StartProcess(name string) (*process.Process, error)
	// Close takes all there is, as a power-off does, but not without a word: the cable is cut before.
	Close() error
}
