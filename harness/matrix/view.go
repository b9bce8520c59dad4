package matrix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/report"
)

// claimRows is a claim with its rows, one a family.
type claimRows struct {
	claim    claim.Claim
	rows     []*Row
	together bool // over both families every kernel did the same, within rounding
}

// claims groups the rows by claim.
func (m *Matrix) claims() []claimRows {
	var all []claimRows
	for i := range m.Claims {
		row := &m.Claims[i]
		if last := len(all) - 1; last >= 0 && all[last].claim.ID == row.ID {
			all[last].rows = append(all[last].rows, row)
			continue
		}
		proved, known := m.catalogue.ByID(row.ID)
		if !known { // results of a newer or an older halfopen
			proved = claim.Claim{ID: row.ID}
			proved.Story, _, _ = strings.Cut(row.ID, "/")
		}
		all = append(all, claimRows{claim: proved, rows: []*Row{row}})
	}
	for i := range all {
		all[i].together = len(all[i].rows) == 2 && !slices.ContainsFunc(m.Kernels, func(k Kernel) bool {
			return !m.alike(k, all[i].rows[0], all[i].rows[1])
		})
	}
	return all
}

// alike tells whether a kernel did the same over both families and differs from its left over both
// or over none. The words of two failures differ by their numbers at least, so they do not count.
func (m *Matrix) alike(k Kernel, four, six *Row) bool {
	a, hasFour := four.Cells[k.Name]
	b, hasSix := six.Cells[k.Name]
	if hasFour != hasSix {
		return false
	}
	return agree(a, b, k.HZ) && (len(a.Differs) > 0) == (len(b.Differs) > 0)
}

// reason is why cells are not a pass.
type reason struct {
	Verdict  report.Verdict
	Reason   string
	Claims   []string // IDs
	Families []string // IPv4, IPv6
	Kernels  []string // labels
	Of       string   // "IPv4 on 6.1": the one cell that Reason is of, if the others' read otherwise
}

// notKept lists why claims are not a pass, the worst verdict first. A claim that is broken on
// several kernels fails for one reason in as many words, so it is listed once, with the first
// cell's; what a kernel lacks is listed once for all claims that need it.
func (m *Matrix) notKept() []reason {
	var all []reason
	var first []string
	for _, row := range m.Claims {
		family := fmt.Sprintf("IPv%d", row.Family)
		for _, k := range m.Kernels {
			cell, there := row.Cells[k.Name]
			if !there || cell.Verdict == report.Pass {
				continue
			}
			// A reason may name its kernel; the list does that itself.
			why := strings.ReplaceAll(cell.Reason, "kernel "+k.Release, "this kernel")
			at := slices.IndexFunc(all, func(r reason) bool {
				return r.Verdict == cell.Verdict && (r.Reason == why || cell.Verdict == report.Fail && r.Claims[0] == row.ID)
			})
			if at < 0 {
				at = len(all)
				all = append(all, reason{Verdict: cell.Verdict, Reason: why})
				first = append(first, family+" on "+k.Label())
			}
			r := &all[at]
			r.Claims, r.Families, r.Kernels = include(r.Claims, row.ID), include(r.Families, family), include(r.Kernels, k.Label())
			if r.Reason != why {
				r.Of = first[at]
			}
		}
	}
	slices.SortStableFunc(all, func(a, b reason) int {
		return slices.Index(report.Verdicts(), a.Verdict) - slices.Index(report.Verdicts(), b.Verdict)
	})
	return all
}

func include(list []string, one string) []string {
	if slices.Contains(list, one) {
		return list
	}
	return append(list, one)
}
