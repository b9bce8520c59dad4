// Package timing says what Linux should do when: pure functions from parameters (RTO, sysctls,
// socket options, HZ) to windows of time. It measures nothing and imports nothing of the harness.
//
// # Words
//
//   - A [Window] is {Floor, Ceiling, Source}. The floor comes from the model and is never stretched.
//     The ceiling is the model plus the timer wheel's lateness, nothing else: slack for a slow
//     machine is added by the caller, with [Window.Plus], on a real clock only.
//   - The [Wheel] is the kernel's timer wheel. A timer on it never fires early, and late by at most
//     one bucket of the level its distance puts it on (up to 12.7 % of the distance).
//   - RTO is the retransmission timeout of RFC 6298 as Linux rounds it: to whole jiffies, upwards.
//   - T1 is the moment of the first retransmission by RTO (a tail loss probe is not one). The clock of
//     tcp_retries2 and of TCP_USER_TIMEOUT starts there (tp->retrans_stamp), not at the write.
//   - S(i) is the time from T1 to the i-th expiry of the retransmission timer after it.
//   - The model of N, [Model], is the time tcp_retries2=N stands for (tcp_model_timeout).
//
// All durations are wall time on CLOCK_MONOTONIC. A parameter that is zero has the kernel's default
// where the field's comment names one.
//
// # How a window is found
//
// After each expiry the next timer is armed from the moment the last one really fired, so lateness
// accumulates; and whether to give up is asked only when a timer fires. An accumulated lateness can
// therefore carry S(i) over the model one expiry earlier than the ideal times would: with
// tcp_rto_max_ms=1000, tcp_retries2=15 and an RTO of 204 ms the ideal S(15) is 14.224 s and misses
// the model of 14.4 s, so that the abort would come at S(16)=15.224 s; on a kernel with HZ=250 the
// abort comes at S(15), 14.56 s after T1, thirteen times 24 ms late. The two extremes of every expiry
// (no lateness at all, every lateness at its most) are followed step by step, and the window spans
// every expiry at which one of the two, or anything between them, can give up.
//
// A machine that is late to run an expired timer adds to that lateness, by no model's measure. A
// spec that knows when the retransmissions were need not trust it to be prompt: AbortBetween,
// AbortAfterCopy and CopiesBefore say together which expiry must be the one that gave up.
//
// The kernel compares milliseconds (tcp_time_stamp_ts, cut down from microseconds at both ends), so
// a comparison with a model may turn 1 ms early or late, and keepalive compares jiffies; the windows
// contain that.
//
// # Sources
//
// RFC 6298; net/ipv4/tcp_timer.c (tcp_retransmit_timer, tcp_write_timeout, retransmits_timed_out,
// tcp_model_timeout, tcp_clamp_rto_to_user_timeout, tcp_keepalive_timer, tcp_orphan_retries),
// net/ipv4/tcp_output.c (tcp_schedule_loss_probe, tcp_send_loss_probe, tcp_send_probe0, tcp_connect),
// net/ipv4/tcp_input.c (tcp_rtt_estimator), net/ipv4/tcp_minisocks.c (tcp_time_wait),
// net/ipv4/inet_connection_sock.c (reqsk_timer_handler), kernel/time/timer.c (LVL_START, calc_index).
package timing
