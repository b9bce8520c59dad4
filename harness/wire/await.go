package wire

import (
	"context"
	"fmt"
)

// Position is a place in the stream of segments; the zero Position is its start.
type Position struct {
	log     int
	segment int
}

// Position is here: after everything decoded so far. Call Sync before to make that everything
// that has crossed.
func (c *Capture) Position() Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Position{log: len(c.log), segment: len(c.segments)}
}

// Await returns the first segment for which the function holds, already captured or yet to
// come. The function is asked when a segment has entered the switch, and again when it has been
// delivered.
func (c *Capture) Await(ctx context.Context, matches func(Segment) bool) (Segment, error) {
	return c.AwaitFrom(ctx, Position{}, matches)
}

// AwaitFrom is Await for the segments that entered the switch after a position.
func (c *Capture) AwaitFrom(ctx context.Context, from Position, matches func(Segment) bool) (Segment, error) {
	next, asked := from.log, 0
	for {
		var fresh []Segment
		err := c.wait(ctx, func() bool {
			for ; next < len(c.log); next++ {
				if i := c.log[next]; i >= from.segment {
					fresh = append(fresh, c.segments[i])
				}
			}
			return len(fresh) > 0
		})
		if err != nil {
			return Segment{}, fmt.Errorf("none of %d segment events is the one waited for: %w", asked, err)
		}
		for _, segment := range fresh {
			asked++
			if matches(segment) {
				return segment, nil
			}
		}
	}
}

// After is the place right behind a segment of this capture, for one who wants each of those to come.
func (c *Capture) After(s Segment) Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := len(c.segments)
	for i > 0 && c.segments[i-1].Number > s.Number {
		i--
	}
	if i == 0 {
		return Position{}
	}
	// The entry of a segment has behind it those of all before it, and their deliveries at most.
	entry := i - 1
	for c.log[entry] != i-1 {
		entry++
	}
	return Position{log: entry + 1, segment: i}
}
