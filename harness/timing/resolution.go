package timing

import (
	"fmt"
	"time"
)

// Resolution is address resolution (ARP, or neighbour discovery) of a neighbour that does not answer.
type Resolution struct {
	Solicitations int           // mcast_solicit and app_solicit: how often it is asked for
	Interval      time.Duration // retrans_time_ms
	Wheel         Wheel
}

// Failure is when the neighbour is given up and everything that waited for its address thrown away
// (neigh_timer_handler, neigh_invalidate), from the first packet that had to wait. The next packet
// begins another round.
func (r Resolution) Failure() Window {
	step := r.Wheel.after(r.Wheel.RoundUp(r.Interval), "")
	failure := Window{Source: fmt.Sprintf("address resolution, %d x %v", r.Solicitations, r.Interval)}
	for range r.Solicitations {
		failure.Floor, failure.Ceiling = failure.Floor+step.Floor, failure.Ceiling+step.Ceiling
	}
	return failure
}

// AbortUnresolved is when the connection is given up, from the write, where the peer's address cannot be
// resolved: at the first expiry of the retransmission timer after the model of tcp_retries2 or the user
// timeout, as ever, but the expiries are no ladder any more.
//
//   - What is sent waits in the neighbour's queue, and meanwhile nothing is sent again
//     (skb_still_in_host_queue). The clock takes its start from the segment's time stamp
//     (tcp_retransmit_skb), and so starts at the write and not at T1: that is the floor.
//   - When the round fails, the error undoes one doubling over IPv4 (RFC 6069, tcp_ld_RTO_revert) and may
//     fire the timer at once, which only shortens intervals. Over either family the segment set free is
//     sent again and the timer armed anew (tcp_tsq_write, tcp_xmit_retransmit_queue), once for each
//     expiry: between two of them lies at most a round and the longest interval of the plain ladder.
func (r Retransmission) AbortUnresolved(resolution Resolution) Window {
	limit, source := r.limit()
	_, last := r.RetransmitsRange()
	longest := r.interval(last)
	return Window{
		Floor:   limit - grain(r.Wheel),
		Ceiling: r.First().Ceiling + limit + resolution.Failure().Ceiling + longest + r.Wheel.Lateness(longest),
		Source:  fmt.Sprintf("%s, rounds of %s", source, resolution.Failure().Source),
	}
}
