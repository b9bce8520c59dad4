package compare

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/halfopen/halfopen/harness/differ"
	"github.com/halfopen/halfopen/harness/report"
)

// movedOf joins the observations that moved over families and cases, the weightiest first.
func (c *comparer) movedOf(group []difference) []Moved {
	type place struct {
		which  string
		family int
	}
	type both struct {
		had, has    []report.Value
		where       []place // in which it moved
		apart, away float64 // the longest way that a number moved, and its direction
	}
	joined := map[string]*both{}
	possible := map[string]int{}
	for _, d := range group {
		for _, name := range allNames(d) {
			_, base := caseOf(name)
			possible[base]++
		}
		for _, name := range d.moved {
			which, base := caseOf(name)
			if joined[base] == nil {
				joined[base] = &both{}
			}
			j := joined[base]
			had, has := differ.Values(d.had, name), differ.Values(d.has, name)
			j.had, j.has, j.where = append(j.had, had...), append(j.has, has...), append(j.where, place{which, d.at.family})
			if way := middle(has) - middle(had); math.Abs(way) > j.apart {
				j.apart, j.away = math.Abs(way), way
			}
		}
	}
	all := []Moved{}
	for base, j := range joined {
		quantity, _ := report.Lookup(base)
		moved := Moved{Name: base, Cases: []string{}, Old: report.Say(j.had), New: report.Say(j.has), Bearing: quantity.Bearing()}
		if len(j.where) < possible[base] {
			for _, in := range j.where {
				over := fmt.Sprintf("over IPv%d", in.family)
				if len(group) == 1 || slices.ContainsFunc(j.where, func(other place) bool { return other.which == in.which && other != in }) {
					over = "" // as over the other family
				}
				moved.Cases = include(moved.Cases, strings.TrimSpace(in.which+" "+over))
			}
		}
		moved.Meaning = meaningOf(quantity, moved, j.away, c.result.Old.Short, c.result.New.Short)
		all = append(all, moved)
	}
	slices.SortFunc(all, func(a, b Moved) int {
		return cmp.Or(cmp.Compare(weight(a.Bearing), weight(b.Bearing)), cmp.Compare(rank(a.Name), rank(b.Name)), strings.Compare(a.Name, b.Name))
	})
	return all
}

// weight is a bearing's place among all.
func weight(b report.Bearing) int { return slices.Index(report.Bearings(), b) }

// rank is a quantity's place in the registry.
func rank(name string) int {
	return slices.IndexFunc(report.Quantities(), func(q report.Quantity) bool { return q.Name == name })
}

// allNames are the observations that either side of a difference has.
func allNames(d difference) []string {
	names := map[string]bool{}
	for _, o := range slices.Concat(d.had, d.has) {
		for name := range o.Observations {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// caseOf splits CASE.NAME.
func caseOf(name string) (which, base string) {
	if at := strings.LastIndexByte(name, '.'); at >= 0 {
		return strings.ReplaceAll(name[:at], "_", " "), name[at+1:]
	}
	return "", name
}

// middle is halfway between the least and the greatest of some numbers; 0 for names.
func middle(values []report.Value) float64 {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		switch n := v.Value.(type) {
		case int:
			low, high = min(low, float64(n)), max(high, float64(n))
		case float64:
			low, high = min(low, n), max(high, n)
		}
	}
	if low > high {
		return 0
	}
	return (low + high) / 2
}
