package stage

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/timing"
	"github.com/halfopen/halfopen/harness/wire"
	"github.com/halfopen/halfopen/harness/wire/match"
)

// Family is the IP version that the spec runs over, 4 or 6.
func Family() int {
	return Identify(CurrentSpecReport()).Family
}

// OverIPv4Alone ends a spec over IPv6 as unsupported, for the reason it gives: where the protocol has
// no such thing, there is nothing to stage.
func OverIPv4Alone(reason string) {
	if Family() == 6 {
		unsupported(reason)
	}
}

// IsTold lets a router on the path report an ICMP error to the host about a segment that left it. It
// returns when the report left the switch; the host's kernel has received it then.
func (h *Host) IsTold(ctx context.Context, report lab.ICMPError, segment wire.Segment) (at time.Duration) {
	if h.scene.sabotaged("no-icmp") {
		return mono.Now()
	}
	before := h.receivedICMP()
	at = mono.Now()
	mustStage(h.scene.lab.InjectICMP(h.lab, report, segment.Src, segment.Dst, segment.Seq))
	h.awaitICMP(ctx, before)
	h.scene.settle(ctx)
	for _, reported := range h.scene.lab.Wire().ICMPErrors() {
		if reported.From == wire.Switch && reported.At > at {
			at = reported.At
		}
	}
	h.scene.sabotageFault(func(*End) bool { return false })
	return at
}

// IsTold is Host.IsTold about a segment of the end's connection.
func (e *End) IsTold(ctx context.Context, report lab.ICMPError, segment wire.Segment) (at time.Duration) {
	return e.Host.IsTold(ctx, report, segment)
}

// IsMisled is IsTold of something that no connection must heed: an error without a meaning, or one about a
// segment that was altered so that it is none of the end's in flight.
func (e *End) IsMisled(ctx context.Context, report lab.ICMPError, segment wire.Segment, alter ...func(*wire.Segment)) {
	if e.Host.scene.sabotaged("real-icmp") {
		e.IsTold(ctx, lab.HostUnreachable, segment)
		return
	}
	for _, change := range alter {
		change(&segment)
	}
	e.IsTold(ctx, report, segment)
}

// receivedICMP is how many ICMP messages the host has received in the spec's family.
func (h *Host) receivedICMP() int {
	if h.scene.identity.Family == 6 {
		return h.Counter("Icmp6InMsgs")
	}
	return h.Counter("IcmpInMsgs")
}

// awaitICMP waits until the host has received an ICMP message more. Most often it has when the switch has
// sent it, which runs the receiving too; a processor that is behind with its packets takes longer.
func (h *Host) awaitICMP(ctx context.Context, before int) {
	deadline, period := mono.Now()+Soon, time.Millisecond
	for h.receivedICMP() == before {
		if mono.Now() > deadline {
			broken(fmt.Errorf("the %s has not received the ICMP error", h))
		}
		Elapse(ctx, period)
		period = min(2*period, 20*time.Millisecond)
	}
}

// ICMPErrors are the options that make the kernel tell the application of ICMP errors when they
// arrive: IP_RECVERR or IPV6_RECVERR.
func (h *Host) ICMPErrors() process.Option {
	level, name := recvErr(h.scene.identity.Family)
	return process.SockOpt(level, name, 1)
}

// HearOfErrors sets that option, or clears it, on the end's socket.
func (e *End) HearOfErrors(ctx context.Context, on bool) {
	level, name := recvErr(e.Host.scene.identity.Family)
	value := 0
	if on {
		value = 1
	}
	e.Set(ctx, level, name, value)
}

func recvErr(family int) (level, name int) {
	if family == 4 {
		return unix.IPPROTO_IP, unix.IP_RECVERR
	}
	return unix.IPPROTO_IPV6, unix.IPV6_RECVERR
}

// Queued takes the first message off the socket's error queue; the zero value if it is empty.
func (e *End) Queued(ctx context.Context) process.Queued {
	queued, err := e.socket.Queued(ctx)
	mustStage(err)
	return queued
}

// SYN is the first SYN of a connection that is being opened, once it has crossed.
func (d *Dialing) SYN(ctx context.Context) wire.Segment {
	ctx, cancel := context.WithTimeout(ctx, Soon)
	defer cancel()
	syn, err := d.process.host.scene.lab.Wire().Await(ctx, match.SYN().From(d.process.host).Matches)
	mustStage(err)
	// The state comes with TCP_INFO, for which the kernel waits until connect(2) has given the socket back (lock_sock_fast
	// in tcp_get_info). An ICMP error before that would be a soft one (sock_owned_by_user in tcp_v4_err), and the kernel
	// silent until its last SYN was not answered: on one processor a tick in the midst of connect(2) is enough.
	d.State()
	return syn
}

// AtOnce is what the kernel does within the very packet that it reacts to: before the next tick of its
// clock is over.
func (h *Host) AtOnce() timing.Window { return h.wheel().AtOnce() }
