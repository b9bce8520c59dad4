package stage

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/wire"
)

// PendingError is the error that the next call on the socket would give (SO_ERROR), 0 if there is
// none. Reading it clears it.
func (e *End) PendingError(ctx context.Context) unix.Errno {
	GinkgoHelper()
	return unix.Errno(e.Option(ctx, unix.SOL_SOCKET, unix.SO_ERROR))
}

// SeesByTimeout returns the n-th retransmission, from 1, of the end's unanswered write that the
// retransmission timer sent, and waits for it as long as the model says that it takes.
func (e *End) SeesByTimeout(ctx context.Context, model timing.Retransmission, n int) wire.Segment {
	GinkgoHelper()
	patience := Soon
	for _, interval := range model.Intervals()[:n+1] {
		patience += interval.Ceiling
	}
	return e.SeesWithin(ctx, patience, e.ByTimeout(model, n))
}

// TrustNeighbours makes the host believe for so long, from now on, that the neighbours it knows are
// where they were, so that address resolution does not fail before. The kernel draws the time anew
// for each table, between half and one and a half of what is set (neigh_rand_reach_time).
func (h *Host) TrustNeighbours(least time.Duration) {
	GinkgoHelper()
	h.SetSysctl(h.neighbourSetting("base_reachable_time_ms"), int((2 * least).Milliseconds()))
}

// Resolution is the model of how the host resolves its neighbours' addresses.
func (h *Host) Resolution() timing.Resolution {
	GinkgoHelper()
	var solicited, asked, interval int
	mustStage(h.lab.Do(func() (err error) {
		for name, value := range map[string]*int{"mcast_solicit": &solicited, "app_solicit": &asked, "retrans_time_ms": &interval} {
			if *value, err = kernel.SysctlInt(h.neighbourSetting(name)); err != nil {
				return err
			}
		}
		return nil
	}))
	return timing.Resolution{
		Solicitations: solicited + asked,
		Interval:      time.Duration(interval) * time.Millisecond,
		Wheel:         h.scene.wheel(),
	}
}

// ResolveWithin makes address resolution fail after so long, unless it would sooner.
func (h *Host) ResolveWithin(most time.Duration) {
	GinkgoHelper()
	resolution := h.Resolution()
	interval := min(resolution.Interval, most/time.Duration(resolution.Solicitations))
	h.SetSysctl(h.neighbourSetting("retrans_time_ms"), int(interval.Milliseconds()))
}

func (h *Host) neighbourSetting(name string) string {
	return fmt.Sprintf("net.ipv%d.neigh.eth0.%s", h.scene.identity.Family, name)
}
