package icmp

import (
	"context"
	"time"

	"github.com/halfopen/halfopen/harness/lab"
	. "github.com/halfopen/halfopen/harness/stage"
	"github.com/halfopen/halfopen/harness/wire"
	. "github.com/halfopen/halfopen/harness/wire/match"
)

// lostWrite is data of the survivor's that the path swallows, and its first segment.
type lostWrite struct {
	path    *Filter
	written time.Duration
	segment wire.Segment
}

// loseAWrite lets the survivor write into a path that swallows everything.
func loseAWrite(ctx context.Context, survivor, broken *End, text string) lostWrite {
	lost := lostWrite{path: survivor.Host.Blackhole(broken.Host, lab.All)}
	lost.written = survivor.Write(ctx, text)
	lost.segment = survivor.Sees(ctx, Data().From(survivor).After(lost.written))
	return lost
}

// byFamily is what IPv4 has and IPv6 has in its place.
func byFamily[T any](v4, v6 T) T {
	if Family() == 4 {
		return v4
	}
	return v6
}
