package stage

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// ForgetNeighbours empties the host's address resolution tables.
func (h *Host) ForgetNeighbours() time.Duration {
	return h.fault(h.lab.ForgetNeighbours)
}

// PinNeighbour keeps another host's MAC in this one's neighbour table for good, as if a router
// stood between them that lives on when the other dies. It is for claims about TCP's own timeouts:
// on one network address resolution fails too, within the time of the kernel's defaults, and puts
// its EHOSTUNREACH in the place of ETIMEDOUT and its silence in the place of the segments.
func (h *Host) PinNeighbour(other *Host) {
	mustStage(h.lab.PinNeighbour(other.lab))
}

// TrustNeighbours makes the host believe for so long, from now on, that the neighbours it knows are
// where they were, so that address resolution does not fail before. The kernel draws the time anew
// for each table, between half and one and a half of what is set (neigh_rand_reach_time).
func (h *Host) TrustNeighbours(least time.Duration) {
	h.SetSysctl(h.neighbourSetting("base_reachable_time_ms"), int((2 * least).Milliseconds()))
}

// ResolveWithin makes address resolution fail after so long, unless it would sooner.
func (h *Host) ResolveWithin(most time.Duration) {
	resolution := h.Resolution()
	interval := min(resolution.Interval, most/time.Duration(resolution.Solicitations))
	h.SetSysctl(h.neighbourSetting("retrans_time_ms"), int(interval.Milliseconds()))
}

// neighbourSetting is the name of a sysctl of the host's neighbour table. 5.10 keeps them all from the namespaces
// of an ordinary user (neigh_sysctl_register): the spec is unsupported there.
func (h *Host) neighbourSetting(name string) string {
	setting := fmt.Sprintf("net.ipv%d.neigh.eth0.%s", h.scene.identity.Family, name)
	if _, err := h.lab.SysctlInt(setting); errors.Is(err, os.ErrNotExist) {
		unsupported(fmt.Sprintf("kernel %s keeps the settings of neighbours from the namespaces of an ordinary user: root can prove this", h.kernel.Release))
	}
	return setting
}

// ForgetNeighbours empties the router's address resolution tables in the client's network, where asking then
// fails after so long, unless it would sooner: three times, a second apart, by default.
func (r *Router) ForgetNeighbours(most time.Duration) {
	const solicitations = 3 // mcast_solicit
	interval := min(time.Second, most/solicitations)
	r.SetSysctl(fmt.Sprintf("net.ipv%d.neigh.near.retrans_time_ms", r.scene.identity.Family), int(interval.Milliseconds()))
	mustStage(r.lab.ForgetNeighbours())
}
