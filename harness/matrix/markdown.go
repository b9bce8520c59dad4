package matrix

import (
	"fmt"
	"strings"

	"github.com/halfopen/halfopen/harness/report"
)

// Markdown is the matrix in a line a kernel, for a job's summary: how many verdicts of each kind, and how many
// cells are not as on the kernel to the left.
func (m *Matrix) Markdown() []byte {
	var out strings.Builder
	out.WriteString("| kernel | release | pass | fail | broken | unsupported | other than to its left |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, k := range m.Kernels {
		release := k.Release
		if !k.Ran() {
			release = "did not run"
		}
		counts, differ := m.count(k.Name), 0
		for _, row := range m.Claims {
			if len(row.Cells[k.Name].Differs) > 0 {
				differ++
			}
		}
		fmt.Fprintf(&out, "| %s | %s | %d | %d | %d | %d | %d |\n", k.Name, release,
			counts[report.Pass], counts[report.Fail], counts[report.Broken], counts[report.Unsupported], differ)
	}
	for _, k := range m.Kernels {
		if k.Problem != "" {
			first, _, _ := strings.Cut(k.Problem, "\n")
			fmt.Fprintf(&out, "\n%s: %s\n", k.Name, strings.TrimPrefix(first, k.Name+": "))
		}
	}
	return []byte(out.String())
}
