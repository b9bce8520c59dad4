package compare

import (
	"slices"

	"github.com/halfopen/halfopen/harness/differ"
	"github.com/halfopen/halfopen/harness/report"
)

// varies tells whether all that moved about a claim may move in two runs of one kernel too: times by no more
// than late timers, the amount that was in flight when the fault came, or what IPv4 and IPv6 have changed
// places in. Three seeds of Debian's 6.12 moved so in 8 of the 146 verdicts of the stories reset, window and
// retransmission and in no other way; in 350 verdicts of the other stories two seeds moved nothing. The same
// guest twice varies in nothing.
func (c *comparer) varies(group []difference) bool {
	if sameGuest(c.before, c.after) {
		return false
	}
	for _, d := range group {
		if len(d.moved) == 0 {
			return false
		}
		for _, name := range d.moved {
			had, has := differ.Values(d.had, name), differ.Values(d.has, name)
			late := differ.Late(had, has, c.before.kernel().HZ, c.after.kernel().HZ)
			if !late && !inFlight(name, had, has) && !changedPlaces(name, group) {
				return false
			}
		}
	}
	return true
}

// inFlight tells of bytes that they are another amount of what a window let through before it closed: up
// to twice as much.
func inFlight(name string, had, has []report.Value) bool {
	if _, base := caseOf(name); base != "bytes_delivered" || len(had) == 0 || len(has) == 0 {
		return false
	}
	a, b := middle(had), middle(has)
	return a > 0 && b > 0 && max(a, b) <= 2*min(a, b)
}

// changedPlaces tells whether each family did with an observation what the other one did before: which of
// two connections comes first is chance.
func changedPlaces(name string, group []difference) bool {
	if len(group) != 2 {
		return false
	}
	four, six := group[0], group[1]
	same := func(a, b []report.Value) bool { return len(a) == 1 && len(b) == 1 && slices.Equal(a, b) }
	return same(differ.Values(four.had, name), differ.Values(six.has, name)) && same(differ.Values(six.had, name), differ.Values(four.has, name))
}
