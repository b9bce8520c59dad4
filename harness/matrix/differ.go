package matrix

import (
	"github.com/halfopen/halfopen/harness/differ"
	"github.com/halfopen/halfopen/harness/report"
)

// mark fills Cell.Differs by differ's rule. A broken cell says nothing of the kernel, so it differs from
// nothing and nothing from it: the neighbour is the nearest cell to the left that is not broken.
func (m *Matrix) mark() {
	for _, row := range m.Claims {
		for i, k := range m.Kernels {
			cell, there := row.Cells[k.Name]
			if left := m.left(row, i); there && left >= 0 {
				cell.Differs = differences(row.Cells[m.Kernels[left].Name], cell, m.Kernels[left].HZ, k.HZ)
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

// differences lists what is not the same in two cells of kernels with these HZ.
func differences(a, b Cell, hz ...int) []string {
	return differ.Kernels(hz...).Differences([]differ.Outcome{a.outcome()}, []differ.Outcome{b.outcome()})
}

func (c Cell) outcome() differ.Outcome {
	return differ.Outcome{Verdict: c.Verdict, Observations: c.Observations}
}

// agree tells whether a kernel did the same over both families, within rounding.
func agree(four, six Cell, hz int) bool { return len(differences(four, six, hz)) == 0 }
