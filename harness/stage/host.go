package stage

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
	"time"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/mono"
)

// Host is a host of the lab with methods that break the spec where the harness fails. The faults
// return the moment just before they were set.
type Host struct {
	scene  *scene
	lab    *lab.Host
	kernel kernel.Info
}

// Name is "client" or "server", the host's name in the packets.
func (h *Host) Name() string { return h.lab.Name() }

func (h *Host) String() string { return h.lab.Name() }

// Address is the host's address in the spec's family.
func (h *Host) Address() netip.Addr { return h.lab.Address(h.scene.identity.Family) }

// PowerOff takes the host's power: nothing leaves it any more and its sockets are gone.
func (h *Host) PowerOff() time.Duration {
	if h.scene.sabotaged("orderly-power-off") {
		h.killEverything()
	}
	at := h.fault(h.lab.PowerOff)
	h.scene.tooEarly("reboot-early", h.lab.Reboot)
	return at
}

// Reboot brings the host back: the same addresses and MAC, and no memory of any connection.
func (h *Host) Reboot() time.Duration {
	if h.scene.sabotaged("no-reboot") {
		return mono.Now()
	}
	return h.fault(h.lab.Reboot)
}

// Unplug pulls the host's cable out of the switch.
func (h *Host) Unplug() time.Duration {
	at := h.fault(h.lab.Unplug)
	h.scene.tooEarly("replug-early", h.lab.Replug)
	return at
}

// Replug puts it back.
func (h *Host) Replug() time.Duration {
	if h.scene.sabotaged("no-replug") {
		return mono.Now()
	}
	return h.fault(h.lab.Replug)
}

// LinkDown is `ip link set eth0 down` on the host, LinkUp the contrary.
func (h *Host) LinkDown() time.Duration {
	at := h.fault(h.lab.LinkDown)
	h.scene.tooEarly("replug-early", h.lab.LinkUp)
	return at
}

// LinkUp is `ip link set eth0 up`.
func (h *Host) LinkUp() time.Duration {
	if h.scene.sabotaged("no-replug") {
		return mono.Now()
	}
	return h.fault(h.lab.LinkUp)
}

// RemoveAddress takes the host's address of the spec's family away.
func (h *Host) RemoveAddress() time.Duration {
	if h.scene.sabotaged("address-kept") {
		return mono.Now()
	}
	return h.fault(func() error { return h.lab.RemoveAddress(h.scene.identity.Family) })
}

// RestoreAddress gives it back.
func (h *Host) RestoreAddress() time.Duration {
	if h.scene.sabotaged("wrong-address") {
		return h.MoveToOtherAddress()
	}
	return h.fault(func() error { return h.lab.RestoreAddress(h.scene.identity.Family) })
}

// MoveToOtherAddress gives the host an address that it did not have before.
func (h *Host) MoveToOtherAddress() time.Duration {
	if h.scene.sabotaged("no-other-address") {
		return mono.Now()
	}
	return h.fault(func() error { return h.lab.AddOtherAddress(h.lab.OtherAddress(h.scene.identity.Family)) })
}

// LeaveOtherAddress takes it away again.
func (h *Host) LeaveOtherAddress() time.Duration {
	return h.fault(func() error { return h.lab.RemoveOtherAddress(h.lab.OtherAddress(h.scene.identity.Family)) })
}

// SetSysctl changes a sysctl of the host, for sockets made from now on and mostly for older ones.
func (h *Host) SetSysctl(name string, value int) {
	if withheldSysctls[h.scene.sabotage] == name {
		return
	}
	if forced, ok := forcedSysctls[h.scene.sabotage][name]; ok {
		value = forced
	}
	for _, end := range h.scene.ends {
		if end.Host == h {
			end.timeouts()
		}
	}
	mustStage(h.lab.SetSysctl(name, strconv.Itoa(value)))
}

// RouteMinimumRTO sets rto_min on the host's route to its network (ip-route(8)).
func (h *Host) RouteMinimumRTO(minimum time.Duration) {
	if h.scene.sabotaged("rto-min-up") {
		return
	}
	mustStage(h.lab.RouteMinimumRTO(h.scene.identity.Family, int(minimum.Milliseconds())))
}

// Timeouts are the settings that the host's kernel has at this moment.
func (h *Host) Timeouts() kernel.Timeouts {
	timeouts, err := h.lab.Timeouts()
	mustStage(err)
	return timeouts
}

// Firewall makes the host drop every TCP segment it gets, until the filter is removed.
func (h *Host) Firewall() *Filter {
	if h.scene.sabotaged("firewall-off") {
		return &Filter{}
	}
	if h.scene.sabotaged("firewall-reject") {
		return h.FirewallRejecting(lab.WithReset)
	}
	return h.scene.filter(h.lab.Firewall(0))
}

// FirewallRejecting makes the host refuse every TCP segment it gets with an answer.
func (h *Host) FirewallRejecting(answer lab.Answer) *Filter {
	if h.scene.sabotaged("firewall-off") {
		return &Filter{}
	}
	filter := h.scene.filter(h.lab.FirewallRejecting(0, answer))
	h.scene.sabotageFault(func(end *End) bool { return end.Host == h })
	return filter
}

// Blackhole makes the path from this host to the other swallow part of the TCP segments without a
// word, until the filter is removed.
func (h *Host) Blackhole(to *Host, traffic lab.Traffic) *Filter {
	filter := h.scene.filter(h.scene.lab.Blackhole(h.lab, to.lab, traffic))
	h.scene.sabotageFault(func(*End) bool { return false })
	h.scene.tooEarly("replug-early", filter.lab.Remove)
	return filter
}

func (s *scene) filter(filter *lab.Filter, err error) *Filter {
	s.mustStageWith(err, "nf_tables-bridge", "nf_tables-inet", "nf_tables-reject")
	return &Filter{lab: filter}
}

// Filter is a packet filter that is set.
type Filter struct {
	lab     *lab.Filter // nil where a sabotage set none
	removed bool
}

// Remove takes it away.
func (f *Filter) Remove() {
	if f.lab != nil && !f.removed {
		f.removed = true
		mustStage(f.lab.Remove())
	}
}

// StartProcess starts a further process on the host.
func (h *Host) StartProcess() *Process {
	started, err := h.lab.StartProcess()
	mustStage(err)
	return &Process{host: h, process: started}
}

// fault sets a fault and notes what it changed. The moment returned is just before it was set.
func (h *Host) fault(set func() error) time.Duration {
	at := mono.Now()
	mustStage(set())
	h.scene.look()
	h.scene.sabotageFault(func(end *End) bool { return end.Host == h })
	return at
}

func (h *Host) killEverything() {
	for _, end := range h.scene.ends {
		if end.Host == h {
			end.Kill()
		}
	}
}

// RebootListening is Reboot of a host whose service is up before its network is: no segment reaches
// the host before a process listens on the lab's server port. The moment returned is when the
// network is there.
func (h *Host) RebootListening(ctx context.Context) time.Duration {
	if h.scene.sabotaged("no-reboot") {
		return mono.Now()
	}
	var paths []*Filter
	for _, other := range h.scene.lab.Hosts() {
		if other != h.lab {
			paths = append(paths, h.scene.filter(h.scene.lab.Blackhole(other, h.lab, lab.All)))
		}
	}
	h.Reboot()
	h.StartProcess().Listen(ctx)
	at := mono.Now()
	for _, path := range paths {
		path.Remove()
	}
	return at
}

// Has tells whether the host's kernel has a feature (kernel.Features), where a claim holds without
// it and there is more to show with it.
func (h *Host) Has(feature string) bool {
	err := h.lab.Check(feature)
	if errors.Is(err, kernel.ErrNotSupported) {
		return false
	}
	requireFeature(err)
	return true
}
