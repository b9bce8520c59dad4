package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/mono"
)

// Entry is what the router's connection tracking knows of a connection at one moment.
type Entry struct {
	Asked, At time.Duration  // monotonic, right before the kernel was asked and right after it answered
	State     EntryState     // NoEntry if it knows nothing of it
	Expires   time.Duration  // what is left until it forgets, in whole seconds, rounded down
	Outside   netip.AddrPort // the client as the server knows it: another than the client's own behind a NAT
}

// EntryState is the state that connection tracking has of a TCP connection, numbered as the kernel does
// (enum tcp_conntrack in nf_conntrack_tcp.h).
type EntryState uint8

// The states of an entry. NoEntry is none; an entry that is there has another.
const (
	NoEntry EntryState = iota
	EntrySynSent
	EntrySynRecv
	EntryEstablished
	EntryFinWait
	EntryCloseWait
	EntryLastAck
	EntryTimeWait
	EntryClose
	EntrySynSent2
)

// String is the state as conntrack(8) prints it: "ESTABLISHED", "FIN_WAIT"; "none" for no entry.
func (s EntryState) String() string {
	names := [...]string{"none", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Entry is the router's entry of the connection that a client has begun, by the addresses that the
// client knows. An entry whose time is over is none, whether it has been collected or not.
func (r *Router) Entry(client, server netip.AddrPort) (Entry, error) {
	entry := Entry{Asked: mono.Now()}
	flows, err := r.flows(client)
	entry.At = mono.Now()
	if err != nil {
		return Entry{}, err
	}
	for _, flow := range flows {
		if !begunBy(flow, client, server) {
			continue
		}
		tcp, ok := flow.ProtoInfo.(*netlink.ProtoInfoTCP)
		if !ok {
			return Entry{}, fmt.Errorf("the entry of %s > %s in %s has no state", client, server, r.name)
		}
		outside, _ := netip.AddrFromSlice(flow.Reverse.DstIP)
		entry.State = EntryState(tcp.State)
		entry.Expires = time.Duration(flow.TimeOut) * time.Second
		entry.Outside = netip.AddrPortFrom(outside.Unmap(), flow.Reverse.DstPort)
	}
	return entry, nil
}

// Forget takes the router's entry of a connection away, as its expiry does and `conntrack -D`. There must
// be one.
func (r *Router) Forget(client, server netip.AddrPort) error {
	deleted, err := r.rtnl.ConntrackDeleteFilters(netlink.ConntrackTable, familyOf(client), entryOf{client, server})
	if err == nil && deleted != 1 {
		err = fmt.Errorf("there are %d", deleted)
	}
	if err != nil {
		return fmt.Errorf("cannot delete the entry of %s > %s in %s: %w", client, server, r.name, err)
	}
	r.lab.Note("%s: the entry of %s > %s is deleted", r.name, client, server)
	return nil
}

// flows are the router's entries in the family of an address.
func (r *Router) flows(of netip.AddrPort) ([]*netlink.ConntrackFlow, error) {
	for {
		flows, err := r.rtnl.ConntrackTableList(netlink.ConntrackTable, familyOf(of))
		if errors.Is(err, netlink.ErrDumpInterrupted) {
			continue // the table has changed meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read what %s tracks: %w", r.name, err)
		}
		return flows, nil
	}
}

func familyOf(address netip.AddrPort) netlink.InetFamily {
	if address.Addr().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// entryOf picks the entry of a connection out of the table.
type entryOf struct{ client, server netip.AddrPort }

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (e entryOf) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	return begunBy(flow, e.client, e.server)
}

func begunBy(flow *netlink.ConntrackFlow, client, server netip.AddrPort) bool {
	src, _ := netip.AddrFromSlice(flow.Forward.SrcIP)
	dst, _ := netip.AddrFromSlice(flow.Forward.DstIP)
	return flow.Forward.Protocol == unix.IPPROTO_TCP &&
		netip.AddrPortFrom(src.Unmap(), flow.Forward.SrcPort) == client &&
		netip.AddrPortFrom(dst.Unmap(), flow.Forward.DstPort) == server
}
