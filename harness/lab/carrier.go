package lab

import (
	"fmt"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A device's carrier comes and goes at once, and a worker of the kernel acts on it later (linkwatch_event), when it gets
// the RTNL lock: neighbours are flushed, the queue is (de)activated, the bridge port (un)blocked. Until then a new
// cable drops what it should carry, the first ARP request say, and the SYN goes a second later. From 6.8 on, being
// asked for the link makes the kernel act at once (linkwatch_sync_dev in rtnl_getlink).

const (
	carrierSeconds = 10 // of patience with that worker

	skipStats    = 1 << 3  // RTEXT_FILTER_SKIP_STATS of linux/rtnetlink.h
	linkDatagram = 8 << 10 // bytes: more than what a kernel says of a link without its statistics
)

// noticeCarrier returns when the calling thread's namespace has acted on the carrier that the device has now. A device
// that is down has nothing to notice.
func noticeCarrier(link netlink.Link) error {
	// Blocking, on the namespace's own thread: the runtime's poller would cost more than the answer.
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("cannot open a socket for the carrier of %s: %w", link.Attrs().Name, err)
	}
	defer unix.Close(fd)
	if err := askForNews(fd, link.Attrs().Index); err != nil {
		return fmt.Errorf("cannot ask for the carrier of %s: %w", link.Attrs().Name, err)
	}
	// The answer, and the news that come after it, are messages of the same shape.
	for datagram := make([]byte, linkDatagram); ; {
		n, _, err := unix.Recvfrom(fd, datagram, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("the kernel has not acted on the carrier of %s within %d s: %w", link.Attrs().Name, carrierSeconds, err)
		}
		messages, err := syscall.ParseNetlinkMessage(datagram[:n])
		if err != nil {
			return fmt.Errorf("cannot read what rtnetlink says of %s: %w", link.Attrs().Name, err)
		}
		for _, message := range messages {
			if done, err := acted(message, link.Attrs().Index); err != nil {
				return fmt.Errorf("cannot ask for the carrier of %s: %w", link.Attrs().Name, err)
			} else if done {
				return nil
			}
		}
	}
}

// askForNews subscribes to the namespace's links, and then asks for one: what the answer does not say yet will be news.
func askForNews(fd, index int) error {
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: carrierSeconds}); err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		return err
	}
	request := nl.NewNetlinkRequest(unix.RTM_GETLINK, 0)
	about := nl.NewIfInfomsg(unix.AF_UNSPEC)
	about.Index = int32(index)
	request.AddData(about)
	request.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(skipStats)))
	return unix.Sendto(fd, request.Serialize(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

// acted tells whether a message of rtnetlink says that the kernel has acted on the carrier of the device with that index:
// its operational state follows it (rfc2863_policy).
func acted(message syscall.NetlinkMessage, index int) (bool, error) {
	switch message.Header.Type {
	case unix.NLMSG_ERROR:
		return false, unix.Errno(-int32(nl.NativeEndian().Uint32(message.Data)))
	case unix.RTM_NEWLINK:
	default:
		return false, nil
	}
	device := nl.DeserializeIfInfomsg(message.Data)
	if int(device.Index) != index {
		return false, nil
	}
	attributes, err := nl.ParseRouteAttr(message.Data[unix.SizeofIfInfomsg:])
	carrier := device.Flags&unix.IFF_LOWER_UP != 0
	return device.Flags&unix.IFF_UP == 0 || operational(attributes) == carrier, err
}

func operational(attributes []syscall.NetlinkRouteAttr) bool {
	for _, attribute := range attributes {
		if attribute.Attr.Type == unix.IFLA_OPERSTATE {
			return attribute.Value[0] == netlink.OperUp
		}
	}
	return false
}
