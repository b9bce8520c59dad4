package matrix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/report"
)

// Schema names the shape of matrix.json, which fixtures/matrix.schema.json describes.
const Schema = "halfopen.matrix/v1"

// Column is what came out of one kernel.
type Column struct {
	Name        string // as it was asked for, different from the others': debian:6.12
	Folder      string // its results' folder, relative to the matrix's; empty if it has none
	Run         report.Run
	Specs       []report.SpecResult
	WallSeconds float64  // from the boot to the end
	Problem     string   // why it did not run, or not to the end; empty if it did
	Complaints  []string // warnings and the like on its console
	System      string   // what a whole system around the kernel has set otherwise, in lines
}

// Matrix is matrix.json.
type Matrix struct {
	Schema  string   `json:"schema"`
	Kernels []Kernel `json:"kernels"`
	Claims  []Row    `json:"claims"`

	catalogue *claim.Catalogue
}

// Kernel heads a column.
type Kernel struct {
	Name        string   `json:"name"`
	Release     string   `json:"release"` // uname -r; empty if it did not run
	Version     string   `json:"version"`
	Machine     string   `json:"machine"`
	HZ          int      `json:"hz"`
	Clock       string   `json:"clock"`
	Profile     string   `json:"profile"`
	Started     string   `json:"started"`
	Seconds     float64  `json:"seconds"`      // by the kernel's clock
	WallSeconds float64  `json:"wall_seconds"` // by ours
	Complete    bool     `json:"complete"`
	Folder      string   `json:"folder"`
	Problem     string   `json:"problem"`
	Complaints  []string `json:"complaints"` // of the kernel, on its console
	System      string   `json:"system,omitempty"`
}

// Ran tells whether anything was decided on the kernel.
func (k Kernel) Ran() bool { return k.Release != "" }

// Label is the kernel's name as a heading has room for: 6.12 for debian:6.12, a file's last part.
func (k Kernel) Label() string {
	if series, ok := strings.CutPrefix(k.Name, "debian:"); ok {
		return series
	}
	file, _, _ := strings.Cut(k.Name, ",")
	return filepath.Base(file)
}

// Row is a claim over a family.
type Row struct {
	ID     string          `json:"id"`
	Family int             `json:"family"`
	Cells  map[string]Cell `json:"cells"` // by Kernel.Name
}

// Cell is what one kernel did.
type Cell struct {
	Verdict      report.Verdict          `json:"verdict"`
	Headline     string                  `json:"headline"`
	Observations map[string]report.Value `json:"observations"`
	Reason       string                  `json:"reason"`
	Differs      []string                `json:"differs"` // "verdict" and names of observations
	Pcapng       []string                `json:"pcapng"`  // relative to matrix.json

	names []string // the observations of the headline
	specs []report.SpecResult
}

// New makes the matrix of columns. A column that ran has the results of its specs, whatever its
// Run.Claims say.
func New(catalogue *claim.Catalogue, columns []Column) *Matrix {
	m := &Matrix{Schema: Schema, Kernels: []Kernel{}, Claims: []Row{}, catalogue: catalogue}
	for _, column := range columns {
		k := Kernel{Name: column.Name, Problem: strings.TrimSpace(column.Problem), WallSeconds: round(column.WallSeconds), Complaints: append([]string{}, column.Complaints...)}
		if r := column.Run; r.Kernel.Release != "" {
			k.Release, k.Version, k.Machine, k.HZ = r.Kernel.Release, r.Kernel.Version, r.Kernel.Machine, r.Kernel.HZ
			k.Clock, k.Profile, k.Started, k.Seconds = r.Clock, r.Profile, r.Started, round(r.Seconds)
			k.Complete, k.Folder, k.System = r.Complete, column.Folder, strings.TrimSpace(column.System)
		}
		m.Kernels = append(m.Kernels, k)
		if !k.Ran() {
			continue
		}
		for specs := range slices.Values(perClaim(catalogue, column.Specs)) {
			m.row(specs[0].Claim, specs[0].Family).Cells[k.Name] = newCell(k, specs)
		}
	}
	m.mark()
	return m
}

// perClaim groups specs that decide a claim over a family together, in the catalogue's order.
func perClaim(catalogue *claim.Catalogue, specs []report.SpecResult) [][]report.SpecResult {
	var groups [][]report.SpecResult
	for _, spec := range report.Ordered(catalogue, specs) {
		last := len(groups) - 1
		if last >= 0 && groups[last][0].Claim == spec.Claim && groups[last][0].Family == spec.Family {
			groups[last] = append(groups[last], spec)
			continue
		}
		groups = append(groups, []report.SpecResult{spec})
	}
	return groups
}

// row finds a claim's row over a family or puts it into its place.
func (m *Matrix) row(id string, family int) *Row {
	compare := func(row Row, want Row) int {
		if d := m.catalogue.Order(row.ID) - m.catalogue.Order(want.ID); d != 0 {
			return d
		}
		if d := strings.Compare(row.ID, want.ID); d != 0 {
			return d
		}
		return row.Family - want.Family
	}
	want := Row{ID: id, Family: family, Cells: map[string]Cell{}}
	at, found := slices.BinarySearchFunc(m.Claims, want, compare)
	if !found {
		m.Claims = slices.Insert(m.Claims, at, want)
	}
	return &m.Claims[at]
}

func newCell(k Kernel, specs []report.SpecResult) Cell {
	merged := report.Merge(specs)
	c := Cell{
		Verdict: merged.Verdict, Observations: merged.Observations, Reason: merged.Reason,
		Differs: []string{}, Pcapng: []string{}, specs: specs,
	}
	c.Headline, c.names = report.Headline(specs)
	for _, file := range merged.Pcapng {
		c.Pcapng = append(c.Pcapng, path.Join(k.Folder, file))
	}
	return c
}

// JSON renders matrix.json: indented, keys in a fixed order, a newline at the end.
func (m *Matrix) JSON() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(m); err != nil {
		return nil, fmt.Errorf("matrix.json could not be made: %w", err)
	}
	return out.Bytes(), nil
}

// ExitCode is the worst of all kernels': 1 if one breaks a claim, else 2 if one did not run to the
// end or a stage was broken, else 0.
func (m *Matrix) ExitCode() int {
	var results []report.Result
	for _, row := range m.Claims {
		for _, cell := range row.Cells {
			results = append(results, report.Result{Verdict: cell.Verdict})
		}
	}
	code := report.ExitCode(results)
	if code == 0 && slices.ContainsFunc(m.Kernels, func(k Kernel) bool { return k.Problem != "" || !k.Ran() }) {
		return 2
	}
	return code
}

// count gives a kernel's cells by verdict.
func (m *Matrix) count(kernel string) map[report.Verdict]int {
	counts := map[report.Verdict]int{}
	for _, row := range m.Claims {
		if cell, there := row.Cells[kernel]; there {
			counts[cell.Verdict]++
		}
	}
	return counts
}

// round to microseconds, as results.json does.
func round(seconds float64) float64 { return math.Round(seconds*1e6) / 1e6 }
