package application

import (
	"context"
	"fmt"
	"time"

	. "github.com/halfopen/halfopen/harness/spec"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/timing"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// What the kernel notices by itself, or because an application has asked it to.
var _ = Story("application", func() {
	itMeets("leaves a survivor that does nothing with every fault but a death that its peer's kernel tells of", "nothing",
		func(ctx SpecContext, fault Fault, client, server *Host) {
			const mechanism = "nothing: idle, no keepalive"
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			reading := survivor.StartRead()
			struck := fault.Strike(broken, survivor, nil)

			if fault == ProcessKilled {
				expectNoticed(ctx, mechanism, struck, reading, atOnce(struck))
				return
			}
			expectUnnoticed(ctx, mechanism, reading, survivor, survivor.Keepalive().Detection().Ceiling)
		}, SpecPriority(6))

	itMeets("notices by data in flight what does not acknowledge it", "data-in-flight",
		func(ctx SpecContext, fault Fault, client, server *Host) {
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			model := survivor.Retransmission()
			meetWithData(ctx, fmt.Sprintf("data in flight: tcp_retries2 %d", model.Retries2), fault, broken, survivor, model)
		}, SpecPriority(10))

	itMeets("notices by data in flight, as early as TCP_USER_TIMEOUT says, what does not acknowledge it", "user-timeout",
		func(ctx SpecContext, fault Fault, client, server *Host) {
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			timeout := UserTimeoutInProfile(time.Second, 30*time.Second)
			survivor.UserTimeout(ctx, timeout)
			model := survivor.Retransmission()
			model.UserTimeout = timeout
			meetWithData(ctx, "data in flight: TCP_USER_TIMEOUT "+inSeconds(timeout), fault, broken, survivor, model)
		}, SpecPriority(3))

	itMeets("notices by keepalive a peer whose kernel does not answer", "keepalive",
		func(ctx SpecContext, fault Fault, client, server *Host) {
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			model := survivor.Keepalive()
			mechanism := fmt.Sprintf("TCP keepalive: %s + %d x %s", inSeconds(model.Idle), model.Count, inSeconds(model.Interval))
			meetIdle(ctx, mechanism, fault, broken, survivor)
		}, SpecPriority(6))

	itMeets("notices by keepalive, at the tick that TCP_USER_TIMEOUT allows, a peer whose kernel does not answer", "keepalive-user-timeout",
		func(ctx SpecContext, fault Fault, client, server *Host) {
			broken, survivor := Connect(ctx, client, server).Split(ClientBreaks)
			timeout := UserTimeoutInProfile(1500*time.Millisecond, 30*time.Second)
			survivor.UserTimeout(ctx, timeout)
			model := survivor.Keepalive()
			mechanism := fmt.Sprintf("TCP keepalive: %s + %s, TCP_USER_TIMEOUT %s", inSeconds(model.Idle), inSeconds(model.Interval), inSeconds(timeout))
			meetIdle(ctx, mechanism, fault, broken, survivor)
		}, SpecPriority(3))
})

// meetWithData lets a fault strike a connection on which the survivor then writes.
func meetWithData(ctx context.Context, mechanism string, fault Fault, broken, survivor *End, model timing.Retransmission) {
	reading := survivor.StartRead()
	var written time.Duration
	struck := fault.Strike(broken, survivor, func() { written = survivor.Write(ctx, "are you there?") })

	switch abort := model.AbortAfterWrite(); fault {
	case ProcessKilled:
		expectNoticed(ctx, mechanism, struck, reading, atOnce(struck))
	case ProcessFrozen:
		survivor.Acknowledged(ctx) // by the frozen process's kernel, so nothing is in flight any more
		expectUnnoticed(ctx, mechanism, reading, survivor, abort.Ceiling)
	case HostRebooted:
		outcome := reading.Within(ctx, abort.Ceiling)
		judge(mechanism, struck, word(outcome), outcome.At, drawnReset(ctx, survivor, struck, Retransmission().From(survivor)))
		observeReturn(survivor, outcome.At)
	default:
		expectNoticed(ctx, mechanism, struck, reading, timedOut(written, abort))
	}
}

// meetIdle lets a fault strike an idle connection whose survivor has keepalive on.
func meetIdle(ctx context.Context, mechanism string, fault Fault, broken, survivor *End) {
	reading := survivor.StartRead()
	asked := survivor.KeepAlive(ctx)
	model := survivor.Keepalive()
	struck := fault.Strike(broken, survivor, nil)

	switch fault {
	case ProcessKilled:
		expectNoticed(ctx, mechanism, struck, reading, atOnce(struck))
	case ProcessFrozen:
		expectUnnoticed(ctx, mechanism, reading, survivor, model.Detection().Ceiling)
	case HostRebooted:
		outcome := reading.Within(ctx, model.Detection().Ceiling)
		judge(mechanism, struck, word(outcome), outcome.At, drawnReset(ctx, survivor, struck, KeepaliveProbe().From(survivor)))
		observeReturn(survivor, outcome.At)
	default:
		expectNoticed(ctx, mechanism, struck, reading, timedOut(asked, model.Detection()))
	}
}
