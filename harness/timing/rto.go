package timing

import "time"

// Constants of include/net/tcp.h.
const (
	RTOMin      = 200 * time.Millisecond // TCP_RTO_MIN, HZ/5
	RTOMax      = 120 * time.Second      // TCP_RTO_MAX
	InitialRTO  = time.Second            // TCP_TIMEOUT_INIT, RFC 6298 2.1
	TimeWaitLen = 60 * time.Second       // TCP_TIMEWAIT_LEN
)

// RTO is the retransmission timeout for a smoothed round trip time and its variation
// (tcp_rtt_estimator, __tcp_set_rto, tcp_bound_rto): srtt + rttvar in whole jiffies, rounded up, at most rtoMax.
// rttvar is as the kernel keeps it, four times the RTTVAR of RFC 6298 (K*RTTVAR). The floor rtoMin is
// applied to rttvar and not to the sum, so an RTO is never below rtoMin + srtt; it is kept in jiffies and so
// rounded up before (tcp_rto_min): at HZ=250 a floor of 50 ms is one of 52 ms and gives an RTO of 56 ms.
// rtoMin and rtoMax of 0 stand for 200 ms and 120 s.
func RTO(srtt, rttvar, rtoMin, rtoMax time.Duration, wheel Wheel) time.Duration {
	return min(wheel.RoundUp(srtt+max(rttvar, wheel.RoundUp(orElse(rtoMin, RTOMin)))), orElse(rtoMax, RTOMax))
}

// FirstRTO is the RTO after one round trip has been measured: SRTT = rtt, K*RTTVAR = 2*rtt (RFC 6298 2.2).
// A round trip below 1 ms gives 210, 204, 203.3 and 201 ms at HZ 100, 250, 300 and 1000.
func FirstRTO(rtt, rtoMin, rtoMax time.Duration, wheel Wheel) time.Duration {
	return RTO(rtt, 2*rtt, rtoMin, rtoMax, wheel)
}

// Backoff is n successive ideal intervals of a retransmission timer: rto, 2 rto, 4 rto, ... none over
// rtoMax (0: 120 s). The first is the one that ends at T1.
func Backoff(rto, rtoMax time.Duration, n int) []time.Duration {
	rtoMax = orElse(rtoMax, RTOMax)
	intervals := make([]time.Duration, max(n, 0))
	for i := range intervals {
		intervals[i] = min(rto, rtoMax)
		rto = min(2*rto, rtoMax)
	}
	return intervals
}

// Model is how long tcp_retries2=retries stands for: the time that many retransmissions would take with
// an RTO of 200 ms (tcp_model_timeout). It uses the constant and never the configured minimum, but
// does use the socket's rtoMax (0: 120 s). It is compared with the time since T1.
func Model(retries int, rtoMax time.Duration) time.Duration {
	return model(retries, RTOMin, orElse(rtoMax, RTOMax))
}

// model is tcp_model_timeout: doubling up to the last interval that still fits rtoMax, then linear.
func model(retries int, base, rtoMax time.Duration) time.Duration {
	threshold := 0 // ilog2(rtoMax / base)
	for base<<(threshold+1) <= rtoMax {
		threshold++
	}
	if retries <= threshold {
		return base * (2<<retries - 1)
	}
	return base*(2<<threshold-1) + rtoMax*time.Duration(retries-threshold)
}

// TailLossProbe is when the tail loss probe leaves, from the write it probes for
// (tcp_schedule_loss_probe): after 2 srtt, plus rtoMin (0: 200 ms) if one packet is out, for its
// delayed acknowledgement, or plus 2 ms if more are; never later than the RTO.
// With no round trip measured (srtt 0) it is the initial RTO that counts.
// Kernels before the microsecond RTO used 2 jiffies for the 2 ms and rounded 2 srtt up by itself; the
// ceiling contains that.
// It is sent only with tcp_early_retrans 3 or 4, with SACK agreed upon, and outside of loss recovery.
func TailLossProbe(srtt, rto, rtoMin time.Duration, packetsOut int, wheel Wheel) Window {
	const source = "tail loss probe, tcp_schedule_loss_probe"
	if srtt <= 0 {
		return wheel.after(min(InitialRTO, rto), source)
	}
	rtoMin = wheel.RoundUp(orElse(rtoMin, RTOMin))
	floor, ceiling := wheel.RoundUp(2*srtt+rtoMin), wheel.RoundUp(2*srtt)+rtoMin
	if packetsOut > 1 {
		const least = 2 * time.Millisecond // TCP_TIMEOUT_MIN_US
		floor, ceiling = wheel.RoundUp(2*srtt+least), wheel.RoundUp(2*srtt)+max(2*wheel.Jiffy(), wheel.RoundUp(least))
	}
	late := min(ceiling, rto)
	return Window{Floor: min(floor, rto), Ceiling: late + wheel.Lateness(late), Source: source}
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}
