package match

import "github.com/halfopen/halfopen/harness/wire"

// In are the segments the predicate describes, in order, for a claim on each of them.
func (p Predicate) In(conversation interface{ Segments() []wire.Segment }) []wire.Segment {
	var described []wire.Segment
	for _, s := range conversation.Segments() {
		if p.Matches(s) {
			described = append(described, s)
		}
	}
	return described
}
