package report

import "slices"

// Bearing is what a quantity tells an application, or its operator, about a broken connection: what
// changes for them when it does.
type Bearing string

// The bearings, the weightiest for an application first.
const (
	OnTold        Bearing = "told"        // what the application is told
	OnDetection   Bearing = "detection"   // when it is told that the connection ended
	OnRecovery    Bearing = "recovery"    // when the connection works, or works again
	OnDelivery    Bearing = "delivery"    // how much of its data arrives
	OnRelease     Bearing = "release"     // how long a connection that is over keeps its port, memory or caller
	OnExpectation Bearing = "expectation" // what the catalogue expects of the release
	OnSetting     Bearing = "setting"     // a knob's value, as the kernel reports it
	OnRouter      Bearing = "router"      // what a router between the hosts knows and drops
	OnState       Bearing = "state"       // what tools like ss and nstat show of it
	OnWire        Bearing = "wire"        // what crosses the wire, and when
	OnJudgement   Bearing = "judgement"   // what a time was judged by: nothing of the kernel's
)

// Bearings are all bearings, the weightiest first.
func Bearings() []Bearing {
	return []Bearing{OnTold, OnDetection, OnRecovery, OnDelivery, OnRelease, OnExpectation, OnSetting, OnRouter, OnState, OnWire, OnJudgement}
}

// Bearing of the quantity; what no list names is OnState.
func (q Quantity) Bearing() Bearing {
	for bearing, names := range bearings {
		if slices.Contains(names, q.Name) {
			return bearing
		}
	}
	return OnState
}

var bearings = map[Bearing][]string{
	OnTold: {"errno", "next_errno", "told"},
	OnDetection: {
		"detected_after", "aborted_after", "eof_after", "unnoticed_for", "last_write_before_abort",
	},
	OnRecovery: {"delivered_after", "migrated_after", "connected_after"},
	OnDelivery: {"bytes_delivered", "segment_size", "heartbeats"},
	OnRelease: {
		"released_after", "idle_closed_after", "closed_after", "expired_after", "close_blocked_for", "stayed_open",
	},
	OnExpectation: {"expected", "mechanism"},
	OnSetting: {
		"keepalive_time", "keepalive_interval", "keepalive_probes", "user_timeout", "retries2", "challenge_limit", "fin_timeout",
		"syn_retries", "synack_retries", "orphan_retries", "rto_max", "rto_min",
	},
	OnRouter: {"dropped", "kept_for", "entry_state", "entry_timeout"},
	OnWire: {
		"abort_clock", "fin_after", "rst_after", "answer_after", "tail_loss_probe_after", "first_retransmission_after", "first_probe_after",
		"probe_interval", "first_window_probe_after", "window_probe_interval", "longest_interval", "silent_for", "back_after", "undetected_for",
		"retransmissions", "fin_copies", "probes", "window_probes", "answers_left_out", "probes_answered", "syns", "synacks",
		"challenge_acks", "resets", "segments",
	},
	OnJudgement: {"window_floor", "window_ceiling"},
}
