package stage

import (
	"context"
	"fmt"
	"time"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/spec"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/wire/match"
)

// Retransmission is the model of what this end does with a write that nobody acknowledges: its
// host's settings, and its RTO as measured so far.
func (e *End) Retransmission() timing.Retransmission {
	snapshot := e.Snapshot()
	if snapshot.Info == nil {
		spec.Fail(fmt.Sprintf("the %s's socket is %s, and was to be there", e, snapshot.State))
	}
	return timing.Retransmission{
		RTO:           snapshot.Info.RTO,
		RTOMax:        e.timeouts().RTOMax,
		RTOMin:        e.timeouts().RTOMin,
		Retries2:      e.timeouts().Retries2,
		TailLossProbe: e.timeouts().EarlyRetrans >= 3,
		Wheel:         e.Host.wheel(),
	}
}

// ByTimeout describes the n-th retransmission, from 1, of the end's unanswered write that the
// retransmission timer sent: where the model has a tail-loss probe, that is the copy before.
func (e *End) ByTimeout(model timing.Retransmission, n int) match.Predicate {
	if model.TailLossProbe {
		n++
	}
	return match.Retransmission().From(e).Copy(n)
}

// Keepalive is the model of how this end finds a dead peer: by the options the spec has given its
// socket, and else by its host's settings.
func (e *End) Keepalive() timing.Keepalive {
	model := timing.Keepalive{
		Idle:        e.timeouts().KeepaliveTime,
		Interval:    e.timeouts().KeepaliveInterval,
		Count:       e.timeouts().KeepaliveProbes,
		UserTimeout: e.userTimeout,
		Wheel:       e.Host.wheel(),
	}
	if own := e.keepalive; own != nil {
		model.Idle, model.Interval, model.Count = own.Idle, own.Interval, own.Count
	}
	return model
}

// WaitOutKeepalive lets half as much time again go by as keepalive would need to find a dead peer
// by the settings of the end's host, and returns how long that was.
func (e *End) WaitOutKeepalive(ctx context.Context) time.Duration {
	silence := e.Keepalive().Detection().Ceiling * 3 / 2
	Elapse(ctx, silence)
	return silence
}

// FinWait2 is the model of how long this end stays in FIN_WAIT2 once its process is gone: its host's
// settings, and its RTO as measured so far, so ask before the death.
func (e *End) FinWait2() timing.FinWait2 {
	return timing.FinWait2{Timeout: e.timeouts().FinTimeout, RTO: e.Snapshot().Info.RTO, Wheel: e.Host.wheel()}
}

// Orphan is the model of how long this end's connection outlives its process when nothing that it sends
// is acknowledged, by what has been measured so far: ask before the death.
func (e *End) Orphan() timing.Orphan {
	r := e.Retransmission()
	return timing.Orphan{Retries: e.timeouts().OrphanRetries, RTO: r.RTO, RTOMax: r.RTOMax, UserTimeout: e.userTimeout,
		TailLossProbe: r.TailLossProbe, SRTT: r.SRTT, RTOMin: r.RTOMin, Wheel: r.Wheel}
}

// TimeWait is the model of how long this end stays in TIME_WAIT.
func (e *End) TimeWait() timing.TimeWait { return timing.TimeWait{Wheel: e.Host.wheel()} }

// Handshake is the model of how a connect(2) on this host ends that nobody answers.
func (h *Host) Handshake() timing.SYN {
	timeouts := h.Timeouts()
	return timing.SYN{
		Retries: timeouts.SynRetries,
		Linear:  timeouts.SynLinear,
		RTOMax:  timeouts.RTOMax,
		Wheel:   h.wheel(),
	}
}

// HandshakeReply is the model of how long this host repeats a SYN-ACK that nobody acknowledges.
func (h *Host) HandshakeReply() timing.SYNACK {
	return timing.SYNACK{Retries: h.Timeouts().SynackRetries, Wheel: h.wheel()}
}

// Resolution is the model of how the host resolves its neighbours' addresses.
func (h *Host) Resolution() timing.Resolution {
	var solicited, asked, interval int
	for name, value := range map[string]*int{"mcast_solicit": &solicited, "app_solicit": &asked, "retrans_time_ms": &interval} {
		*value = h.Sysctl(h.neighbourSetting(name))
	}
	return timing.Resolution{
		Solicitations: solicited + asked,
		Interval:      time.Duration(interval) * time.Millisecond,
		Wheel:         h.wheel(),
	}
}

// Timeouts are the settings the end's host had when the connection was established: they are read when they are first
// asked for, and before Host.SetSysctl changes one.
func (e *End) Timeouts() kernel.Timeouts { return e.timeouts() }

// wheel is that of the host's kernel.
func (h *Host) wheel() timing.Wheel { return timing.Wheel{HZ: h.kernel.HZ} }

// wheel is that of the running kernel, which a router is always part of.
func (s *scene) wheel() timing.Wheel { return timing.Wheel{HZ: s.running.HZ} }

// Lingering is when a close(2) returns that SO_LINGER makes wait so many seconds in vain.
func (e *End) Lingering(seconds int) timing.Window {
	return timing.Lingering(time.Duration(seconds)*time.Second, e.Host.wheel())
}
