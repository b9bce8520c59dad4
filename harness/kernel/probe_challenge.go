package kernel

import "math"

// probeChallengeLimit tells by its default whether challenge ACKs are counted for each network namespace:
// where one count is for all of them, a new namespace has the limit 1000, and else none (INT_MAX). Nobody
// must have changed it in the namespace of the calling thread.
func probeChallengeLimit() error {
	limit, err := SysctlInt("net.ipv4.tcp_challenge_ack_limit")
	switch {
	case err != nil:
		return err
	case limit == math.MaxInt32:
		return nil
	}
	return ErrNotSupported
}
