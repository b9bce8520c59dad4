package matrix

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/halfopen/halfopen/harness/report"
)

// The rule, written down once: two cells differ if their verdicts do, or if an observation of one is
// not the other's. Names, counts and bytes must be the same, though of two failures only what both observed counts. A time may be off by roundingShare of
// the longer one, or by one jiffy of the coarser kernel (kernels round timers up to their own, and
// HZ differs) and selfNoise, whichever is longer.
//
// A broken cell says nothing of the kernel, so it differs from nothing and nothing from it: the
// neighbour is the nearest cell to the left that is not broken.
const (
	roundingShare = 0.02

	// selfNoise, in seconds, is how far a kernel's times are from its own with another seed: 44 ms at
	// the most in 88 specs of Debian's 6.12, because what the guest computes takes time of its clock
	// and moves timers to other jiffies. Without it two marks of three were of that kind.
	selfNoise = 0.045
)

// coarsestHZ stands for an HZ that could not be found out; no kernel for servers has less.
const coarsestHZ = 100

// verdictDiffers is what Cell.Differs calls another verdict.
const verdictDiffers = "verdict"

// mark fills Cell.Differs.
func (m *Matrix) mark() {
	for _, row := range m.Claims {
		for i, k := range m.Kernels {
			cell, there := row.Cells[k.Name]
			if left := m.left(row, i); there && left >= 0 {
				cell.Differs = differences(row.Cells[m.Kernels[left].Name], cell, jiffy(m.Kernels[left].HZ, k.HZ))
				row.Cells[k.Name] = cell
			}
		}
	}
}

// left is the column that a row's cell in column i is compared with; -1 if there is none.
func (m *Matrix) left(row Row, i int) int {
	if cell, there := row.Cells[m.Kernels[i].Name]; !there || cell.Verdict == report.Broken {
		return -1
	}
	for i--; i >= 0; i-- {
		if cell, there := row.Cells[m.Kernels[i].Name]; there && cell.Verdict != report.Broken {
			return i
		}
	}
	return -1
}

// differences lists what is not the same in two cells; see the rule above. Under different verdicts
// different things were observed: the verdict stands for them.
func differences(a, b Cell, jiffy float64) []string {
	if a.Verdict != b.Verdict {
		return []string{verdictDiffers}
	}
	names := map[string]bool{}
	for name := range a.Observations {
		names[name] = true
	}
	for name := range b.Observations {
		names[name] = true
	}
	moved := []string{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, had := a.Observations[name]
		after, has := b.Observations[name]
		if had != has {
			// A spec that fails stops there; what it would have observed later says nothing.
			if a.Verdict != report.Fail {
				moved = append(moved, name)
			}
			continue
		}
		if !same(before, after, jiffy) {
			moved = append(moved, name)
		}
	}
	return moved
}

// same tells whether two observations are one within rounding; jiffy is in seconds.
func same(a, b report.Value, jiffy float64) bool {
	x, isNumber := number(a.Value)
	y, alsoNumber := number(b.Value)
	if !isNumber || !alsoNumber {
		return a.Unit == b.Unit && a.Value == b.Value
	}
	if a.Unit != report.Seconds || b.Unit != report.Seconds {
		return a.Unit == b.Unit && x == y
	}
	// What is subtracted was rounded to microseconds.
	const grain = 1e-6
	return math.Abs(x-y) <= max(roundingShare*max(math.Abs(x), math.Abs(y)), jiffy+selfNoise)+grain
}

// number reads a value that was observed (int, float64) or came out of JSON (float64).
func number(value any) (float64, bool) {
	switch v := value.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// jiffy is one of the coarser of two kernels, in seconds.
func jiffy(hz ...int) float64 {
	coarse := math.MaxInt
	for _, each := range hz {
		coarse = min(coarse, cmp.Or(each, coarsestHZ))
	}
	return 1 / float64(coarse)
}

// agree tells whether a kernel did the same over both families, within rounding.
func agree(four, six Cell, hz int) bool { return len(differences(four, six, jiffy(hz))) == 0 }
