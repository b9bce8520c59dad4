package lab_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/suite"
)

func TestMain(m *testing.M) { suite.Main(m) }

// pair is a lab with two hosts, closed when the test ends.
func pair(t testing.TB) (l *lab.Lab, client, server *lab.Host) {
	t.Helper()
	l, err := lab.New(kernel.Scaled)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if client, err = l.AddHost("client"); err != nil {
		t.Fatal(err)
	}
	if server, err = l.AddHost("server"); err != nil {
		t.Fatal(err)
	}
	return l, client, server
}

// device reads the host's network device as the host sees it.
func device(t *testing.T, host *lab.Host) *netlink.LinkAttrs {
	t.Helper()
	var link netlink.Link
	err := host.Do(func() (err error) {
		link, err = netlink.LinkByName("eth0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return link.Attrs()
}

func carrier(t *testing.T, host *lab.Host) bool {
	return device(t, host).OperState == netlink.OperUp
}

func addresses(t *testing.T, host *lab.Host) string {
	t.Helper()
	var found []string
	err := host.Do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		all, err := netlink.AddrList(link, netlink.FAMILY_ALL)
		for _, address := range all {
			if !address.IP.IsLinkLocalUnicast() {
				found = append(found, address.IP.String())
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(found, " ")
}

func TestUnpluggingACableTakesCarrierFromThatHostAlone(t *testing.T) {
	_, client, server := pair(t)
	if !carrier(t, client) || !carrier(t, server) {
		t.Fatal("a host has no carrier to begin with")
	}
	if err := client.Unplug(); err != nil {
		t.Fatal(err)
	}
	if carrier(t, client) || !carrier(t, server) {
		t.Errorf("unplugged: the client's carrier is %v, the server's %v", carrier(t, client), carrier(t, server))
	}
	if err := client.Replug(); err != nil {
		t.Fatal(err)
	}
	if !carrier(t, client) {
		t.Error("replugged: the client has no carrier")
	}
}

func TestALabOverOneFamilyHasNoAddressOfTheOther(t *testing.T) {
	for family, own := range map[int]string{4: "192.0.2.1", 6: "2001:db8::1"} {
		l, err := lab.New(kernel.Scaled)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		l.Over(family)
		client, err := l.AddHost("client")
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.AddHost("server")
		if err != nil {
			t.Fatal(err)
		}
		for what, change := range map[string]func() error{
			"from the first": func() error { return nil },
			"after a reboot": func() error { return errors.Join(client.PowerOff(), client.Reboot()) },
			"with its link set up again": func() error {
				return errors.Join(client.LinkDown(), client.LinkUp(), client.PinNeighbour(server))
			},
		} {
			if err := change(); err != nil {
				t.Fatalf("over IPv%d, %s: %v", family, what, err)
			}
			if has := addresses(t, client); has != own {
				t.Errorf("over IPv%d, %s: the host has %q, not %q", family, what, has, own)
			}
		}
	}
}

func TestARebootedHostHasTheSameAddressesAndMAC(t *testing.T) {
	_, client, server := pair(t)
	mac, had := device(t, server).HardwareAddr.String(), addresses(t, server)
	if err := server.PowerOff(); err != nil {
		t.Fatal(err)
	}
	if !carrier(t, client) {
		t.Error("powering the server off takes the client's carrier")
	}
	if err := server.Do(func() error { return nil }); err == nil {
		t.Error("something still runs on a host that is off")
	}
	if err := server.Reboot(); err != nil {
		t.Fatal(err)
	}
	if now := device(t, server).HardwareAddr.String(); now != mac {
		t.Errorf("the MAC was %s and is %s", mac, now)
	}
	if now := addresses(t, server); now != had {
		t.Errorf("the addresses were %s and are %s", had, now)
	}
}

func TestAnAddressLeavesAndComesBack(t *testing.T) {
	_, client, _ := pair(t)
	had := addresses(t, client)
	for _, family := range []int{4, 6} {
		if err := client.RemoveAddress(family); err != nil {
			t.Fatal(err)
		}
		if now := addresses(t, client); strings.Contains(now, client.Address(family).String()+" ") || now == had {
			t.Errorf("IPv%d: the address is still there: %s", family, now)
		}
		if err := client.RestoreAddress(family); err != nil {
			t.Fatal(err)
		}
	}
	for _, family := range []int{4, 6} {
		if now := addresses(t, client); !strings.Contains(now, client.Address(family).String()) {
			t.Errorf("IPv%d: the address has not come back: %s", family, now)
		}
	}
}

func TestASysctlOutlivesAReboot(t *testing.T) {
	_, _, server := pair(t)
	if err := server.SetSysctl("net.ipv4.tcp_retries2", "11"); err != nil {
		t.Fatal(err)
	}
	if err := server.Reboot(); err != nil {
		t.Fatal(err)
	}
	if timeouts, err := server.Timeouts(); err != nil || timeouts.Retries2 != 11 {
		t.Errorf("after the reboot tcp_retries2 is %d (%v)", timeouts.Retries2, err)
	}
}

// What a lab leaves in the program is the next one's: there are not more descriptors, nor more namespaces with
// a thread in them, after five labs than after one.
func TestALabLeavesNoDescriptorBehind(t *testing.T) {
	count := func() int {
		open, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(open)
	}
	once := func() {
		l, err := lab.New(kernel.Scaled)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"client", "server"} {
			host, err := l.AddHost(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := host.StartProcess(); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	once() // opens what the runtime keeps: epoll, eventfd
	before, spaces := count(), len(namespaces(t))
	for range 5 {
		once()
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors before, %d after five labs", before, after)
	}
	// A thread ends a moment after its goroutine.
	deadline := time.Now().Add(time.Second)
	for len(namespaces(t)) > spaces && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if left := namespaces(t); len(left) > spaces {
		t.Errorf("the program's threads are in %d network namespaces: %v", len(left), left)
	}
}

// namespaces are the network namespaces that the program's threads are in, with how many are.
func namespaces(t *testing.T) map[string]int {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	spaces := map[string]int{}
	for _, task := range tasks {
		if space, err := os.Readlink(task); err == nil {
			spaces[space]++
		}
	}
	return spaces
}

// BenchmarkPair prints how long a lab of two hosts takes to come up. The labs are closed at the end:
// the kernel takes a namespace down in its own time and holds locks meanwhile that the next needs.
func BenchmarkPair(b *testing.B) {
	var labs []*lab.Lab
	for b.Loop() {
		l, err := lab.New(kernel.Scaled)
		if err != nil {
			b.Fatal(err)
		}
		labs = append(labs, l)
		for _, name := range []string{"client", "server"} {
			if _, err := l.AddHost(name); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.StopTimer()
	for _, l := range labs {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	}
}

func TestARouteLeavesAndReturnsWithoutItsAddress(t *testing.T) {
	_, client, _ := pair(t)
	before := routes(t, client)
	for _, family := range []int{4, 6} {
		if err := client.RemoveRoute(family); err != nil {
			t.Fatal(err)
		}
	}
	if now := routes(t, client); strings.Contains(now, "192.0.2.0/24") || strings.Contains(now, "2001:db8::/64") {
		t.Errorf("the routes are %s", now)
	}
	if now := addresses(t, client); !strings.Contains(now, "192.0.2.1") || !strings.Contains(now, "2001:db8::1") {
		t.Errorf("the addresses are %s", now)
	}
	for _, family := range []int{4, 6} {
		if err := client.RestoreRoute(family); err != nil {
			t.Fatal(err)
		}
	}
	if now := routes(t, client); now != before {
		t.Errorf("the routes are %s, and were %s", now, before)
	}
}

// routes are the host's own of its main table.
func routes(t *testing.T, host *lab.Host) string {
	t.Helper()
	var found []string
	err := host.Do(func() error {
		for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
			list, err := netlink.RouteList(nil, family)
			if err != nil {
				return err
			}
			for _, route := range list {
				found = append(found, route.String())
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return strings.Join(found, "; ")
}

func TestAnAddressMovesToAnotherDevice(t *testing.T) {
	_, client, _ := pair(t)
	for _, device := range []string{"lo", "inner0"} {
		for _, family := range []int{4, 6} {
			if err := client.RemoveAddress(family); err != nil {
				t.Fatal(err)
			}
			if err := client.AddAddressTo(device, family); err != nil {
				t.Fatal(err)
			}
			if now := addresses(t, client); strings.Contains(now, client.Address(family).String()+"/") {
				t.Errorf("eth0 has %s", now)
			}
			var found []netlink.Addr
			err := client.Do(func() error {
				link, err := netlink.LinkByName(device)
				if err == nil {
					found, err = netlink.AddrList(link, netlink.FAMILY_ALL)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(found, func(a netlink.Addr) bool { return a.IP.String() == client.Address(family).String() }) {
				t.Errorf("%s has %v", device, found)
			}
			if err := client.RestoreAddress(family); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The switch of a lab that is closed is the next one's.
func TestALabKnowsNothingOfTheOneBefore(t *testing.T) {
	before, err := lab.New(kernel.Scaled)
	if err != nil {
		t.Fatal(err)
	}
	client, err := before.AddHost("client")
	if err != nil {
		t.Fatal(err)
	}
	server, err := before.AddHost("server")
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range [][2]*lab.Host{{client, server}, {server, client}} {
		if _, err := before.Blackhole(way[0], way[1], lab.All); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Unplug(); err != nil {
		t.Fatal(err)
	}
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}

	l, client, server := pair(t)
	if !carrier(t, client) || !carrier(t, server) {
		t.Error("a cable is out")
	}
	listening, err := server.StartProcess()
	if err != nil {
		t.Fatal(err)
	}
	dialing, err := client.StartProcess()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := listening.Listen(t.Context(), netip.AddrPortFrom(server.Address(4), 7000))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := dialing.Dial(ctx, netip.AddrPort{}, listener.Local()); err != nil {
		t.Errorf("a filter is left: %v", err)
	}
	for _, note := range l.Wire().Notes() {
		t.Errorf("the record begins with %q", note.Text)
	}
}
