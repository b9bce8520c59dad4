package lab

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// An IPv6 address that has been added cannot be used yet, even without duplicate address
// detection: a worker of the kernel (addrconf_dad_work) joins the solicited-node group and inserts
// the local route later, when it gets the RTNL lock. Until then the first solicitation or SYN goes
// unanswered, connect(2) takes a second longer and leaves an RTO of 3 s (RFC 6298 5.7).

// localRouteSeconds is patience with that worker, which waits for a lock that everybody wants.
const localRouteSeconds = 10

// watchRoutes subscribes to the IPv6 routes of the namespace.
func (ns *namespace) watchRoutes() (routes *nl.NetlinkSocket, err error) {
	err = ns.do(func() error {
		routes, err = nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot watch the routes: %w", err)
	}
	return routes, routes.SetReceiveTimeout(&unix.Timeval{Sec: localRouteSeconds})
}

// awaitLocalRoute reads until the route that makes an address the host's own has been inserted.
func awaitLocalRoute(routes *nl.NetlinkSocket, address netip.Addr) error {
	for {
		messages, _, err := routes.Receive()
		if err != nil {
			return fmt.Errorf("the kernel has not made it a local address: %w", err)
		}
		for _, message := range messages {
			if isLocalRoute(message, address) {
				return nil
			}
		}
	}
}

func isLocalRoute(message syscall.NetlinkMessage, address netip.Addr) bool {
	if message.Header.Type != unix.RTM_NEWROUTE || len(message.Data) < unix.SizeofRtMsg {
		return false
	}
	route := nl.DeserializeRtMsg(message.Data)
	if route.Table != unix.RT_TABLE_LOCAL || route.Type != unix.RTN_LOCAL {
		return false
	}
	attributes, _ := nl.ParseRouteAttr(message.Data[unix.SizeofRtMsg:])
	for _, attribute := range attributes {
		destination, ok := netip.AddrFromSlice(attribute.Value)
		if attribute.Attr.Type == unix.RTA_DST && ok && destination == address {
			return true
		}
	}
	return false
}
