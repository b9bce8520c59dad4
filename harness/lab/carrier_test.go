package lab

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// The far end of a cable has its carrier when it is brought up; the kernel says so at once, and acts on it later.
func TestACarrierIsNoticedWhenTheKernelHasActedOnIt(t *testing.T) {
	ns, err := newNamespace()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.close()
	var news *nl.NetlinkSocket
	var far netlink.Link
	err = ns.do(func() (err error) {
		if news, err = nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK); err != nil {
			return err
		}
		near := netlink.NewLinkAttrs()
		near.Name, near.Flags = "near", 1 // IFF_UP
		cable := netlink.NewVeth(near)
		cable.PeerName = "far"
		if err := netlink.LinkAdd(cable); err != nil {
			return err
		}
		if far, err = deviceNamed("far"); err != nil {
			return err
		}
		return netlink.LinkSetUp(far)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer news.Close()
	if err := news.SetReceiveTimeout(&unix.Timeval{Sec: carrierSeconds}); err != nil {
		t.Fatal(err)
	}
	for saidAtOnce := false; ; {
		messages, _, err := news.Receive()
		if err != nil {
			t.Fatalf("no message says that the kernel has acted on the carrier: %v", err)
		}
		for _, message := range messages {
			device := nl.DeserializeIfInfomsg(message.Data)
			if int(device.Index) != far.Attrs().Index || device.Flags&unix.IFF_LOWER_UP == 0 {
				continue
			}
			noticed, err := acted(message, far.Attrs().Index)
			if err != nil {
				t.Fatal(err)
			}
			if noticed && !saidAtOnce {
				t.Fatal("the first message with the carrier is taken for one that comes after the kernel has acted on it")
			}
			if noticed {
				return
			}
			saidAtOnce = true
		}
	}
}

func TestACarrierOfADeviceThatIsGoneIsAnError(t *testing.T) {
	ns, err := newNamespace()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.close()
	gone := netlink.NewLinkAttrs()
	gone.Name, gone.Index = "gone", 4711
	if err := ns.do(func() error { return noticeCarrier(&netlink.Device{LinkAttrs: gone}) }); !errors.Is(err, unix.ENODEV) {
		t.Errorf("the error is %v, not ENODEV", err)
	}
}
