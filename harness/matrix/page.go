package matrix

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/halfopen/halfopen/harness/ladder"
	"github.com/halfopen/halfopen/harness/report"
)

//go:embed page.html.tmpl
var pageTemplate string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// page is what page.html.tmpl is filled with.
type page struct {
	CSS     template.CSS
	JS      template.JS
	Title   string
	Columns int // with the claims'
	Kernels []pageKernel
	Stories []pageStory
	NotKept []reason
	Data    pageData // for page.js
}

type pageKernel struct {
	Kernel
	Counts []pageCount
}

type pageCount struct {
	Verdict report.Verdict
	N       int
}

type pageStory struct {
	Name, Title string
	Claims      []pageRow
}

type pageRow struct {
	Index    int // of pageData.Claims
	ID, Name string
	Text     string
	Shows    string   // the observations of the headlines
	Differs  []string // families over which some kernel differs: 4, 6
	Families []string
	Cells    []pageCell
}

type pageCell struct {
	Kernel int
	Label  string // for who does not see the cell
	Lines  []pageLine
}

// pageLine is a verdict in a cell. Families is "4", "6", or "46" where both are alike.
type pageLine struct {
	Families string
	Verdict  report.Verdict
	Headline string
	Differs  bool
}

// pageData is what the panel shows, as JSON inside the page.
type pageData struct {
	Kernels  []dataKernel      `json:"kernels"`
	Claims   []packedClaim     `json:"claims"`
	Meanings map[string]string `json:"meanings"` // of observations, by name
}

// packedClaim is a claim that is unpacked when one of its cells is looked at: kernels do much the same, so
// that what a claim has of all of them packs into a few thousandths of its size.
type packedClaim struct {
	ID      string `json:"id"`
	Kernels []int  `json:"kernels"` // that have a cell
	Pack    string `json:"pack"`    // a dataClaim, as ladder.Packer packs it
}

type dataKernel struct {
	Name    string `json:"name"`
	Label   string `json:"label"`
	Release string `json:"release"`
	Problem string `json:"problem"`
}

type dataClaim struct {
	ID      string                `json:"id"`
	Text    string                `json:"text"`
	Level   string                `json:"level"`
	Sources []string              `json:"sources"`
	Feature string                `json:"feature,omitempty"`
	Since   string                `json:"since,omitempty"`
	Cells   map[int][]*dataFamily `json:"cells"`   // by kernel
	Ladders []string              `json:"ladders"` // SVG elements, in an order that puts like beside like
}

type dataFamily struct {
	Family  int            `json:"family"`
	Verdict report.Verdict `json:"verdict"`
	Left    int            `json:"left"` // the kernel it is compared with; -1: none
	Differs []string       `json:"differs"`
	Specs   []dataSpec     `json:"specs"`
}

type dataSpec struct {
	Case         string            `json:"case"`
	Text         string            `json:"text"`
	Verdict      report.Verdict    `json:"verdict"`
	Seconds      string            `json:"seconds"`
	Reason       string            `json:"reason,omitempty"`
	State        string            `json:"state,omitempty"`
	Observations []dataObservation `json:"seen"`
	Packets      []string          `json:"packets,omitempty"` // where there is no Ladder
	Ladder       *int              `json:"ladder,omitempty"`  // of dataClaim.Ladders
	Pcapng       string            `json:"pcapng,omitempty"`
	Location     string            `json:"spec,omitempty"`
	Rerun        string            `json:"again,omitempty"`
}

type dataObservation struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Differs bool   `json:"differs,omitempty"`
}

// HTML renders matrix.html: one file that holds all it needs. root is the folder with the kernels'
// folders, whose captures it draws; what cannot be drawn from there is shown as text.
func (m *Matrix) HTML(root string) ([]byte, error) {
	parsed, err := template.New("page").Funcs(template.FuncMap{"glyph": report.Verdict.Glyph, "join": strings.Join}).Parse(pageTemplate)
	if err != nil {
		return nil, fmt.Errorf("matrix.html could not be made: %w", err)
	}
	filled, err := m.page(root)
	if err != nil {
		return nil, fmt.Errorf("matrix.html could not be made: %w", err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, filled); err != nil {
		return nil, fmt.Errorf("matrix.html could not be made: %w", err)
	}
	return out.Bytes(), nil
}

func (m *Matrix) page(root string) (page, error) {
	var packer ladder.Packer
	p := page{
		CSS: template.CSS(pageCSS + ladder.CSS()), JS: template.JS(pageJS),
		Title: "halfopen: " + plural(len(m.Kernels), "kernel", "kernels"), NotKept: m.notKept(), Columns: 1 + len(m.Kernels),
		Data: pageData{Kernels: []dataKernel{}, Claims: []packedClaim{}, Meanings: map[string]string{}},
	}
	for _, k := range m.Kernels {
		counts := m.count(k.Name)
		of := pageKernel{Kernel: k}
		for _, v := range []report.Verdict{report.Pass, report.Fail, report.Broken, report.Unsupported} {
			if counts[v] > 0 {
				of.Counts = append(of.Counts, pageCount{v, counts[v]})
			}
		}
		p.Kernels = append(p.Kernels, of)
		p.Data.Kernels = append(p.Data.Kernels, dataKernel{k.Name, k.Label(), k.Release, k.Problem})
	}
	for _, q := range report.Quantities() {
		p.Data.Meanings[q.Name] = q.Meaning
	}
	titles := map[string]string{}
	for _, story := range m.catalogue.Stories() {
		titles[story.Name] = story.Title
	}
	for i, rows := range m.claims() {
		story := rows.claim.Story
		if last := len(p.Stories) - 1; last < 0 || p.Stories[last].Name != story {
			p.Stories = append(p.Stories, pageStory{Name: story, Title: titles[story]})
		}
		of := &p.Stories[len(p.Stories)-1]
		of.Claims = append(of.Claims, m.pageRow(i, rows))
		packed, err := m.packedClaim(rows, root, &packer)
		if err != nil {
			return p, err
		}
		p.Data.Claims = append(p.Data.Claims, packed)
	}
	return p, nil
}

func (m *Matrix) pageRow(index int, rows claimRows) pageRow {
	_, name, _ := strings.Cut(rows.claim.ID, "/")
	r := pageRow{Index: index, ID: rows.claim.ID, Name: name, Text: rows.claim.Text}
	var shows []string
	for _, row := range rows.rows {
		family := fmt.Sprint(row.Family)
		r.Families = append(r.Families, family)
		for _, cell := range row.Cells {
			if len(cell.Differs) > 0 {
				r.Differs = include(r.Differs, family)
			}
		}
	}
	for i, k := range m.Kernels {
		c := pageCell{Kernel: i}
		for _, row := range rows.rows {
			cell, there := row.Cells[k.Name]
			if !there {
				continue
			}
			if cell.Verdict == report.Pass && len(shows) == 0 {
				shows = cell.names
			}
			c.Lines = append(c.Lines, pageLine{
				Families: fmt.Sprint(row.Family), Verdict: cell.Verdict, Headline: unbroken(cell.Headline), Differs: len(cell.Differs) > 0,
			})
		}
		if len(c.Lines) == 2 && m.alike(k, rows.rows[0], rows.rows[1]) {
			c.Lines = c.Lines[:1]
			c.Lines[0].Families = "46"
		}
		c.Label = labelOf(k, rows.claim.ID, c.Lines)
		r.Cells = append(r.Cells, c)
	}
	r.Shows = strings.Join(shows, ", ")
	return r
}

// labelOf says a cell to who does not see it.
func labelOf(k Kernel, id string, lines []pageLine) string {
	label := id + " on " + k.Label() + ":"
	for i, line := range lines {
		if i > 0 {
			label += ";"
		}
		if line.Families != "46" {
			label += " IPv" + line.Families
		}
		label += " " + strings.TrimSpace(string(line.Verdict)+" "+strings.ReplaceAll(line.Headline, "\u2011", "-"))
		if line.Differs {
			label += ", differs"
		}
	}
	if len(lines) == 0 {
		label += " not decided"
	}
	return label
}

func (m *Matrix) packedClaim(rows claimRows, root string, packer *ladder.Packer) (packedClaim, error) {
	c := m.dataClaim(rows, root)
	pack, err := packer.Pack(c)
	return packedClaim{ID: c.ID, Kernels: slices.Sorted(maps.Keys(c.Cells)), Pack: pack}, err
}

func (m *Matrix) dataClaim(rows claimRows, root string) dataClaim {
	c := dataClaim{
		ID: rows.claim.ID, Text: rows.claim.Text, Level: rows.claim.Level, Sources: rows.claim.Sources,
		Feature: rows.claim.Feature, Since: rows.claim.Since, Cells: map[int][]*dataFamily{},
	}
	var drawings []drawing
	for i, k := range m.Kernels {
		for _, row := range rows.rows {
			cell, there := row.Cells[k.Name]
			if !there {
				continue
			}
			f := &dataFamily{Family: row.Family, Verdict: cell.Verdict, Left: m.left(*row, i), Differs: cell.Differs}
			for n, spec := range cell.specs {
				s := dataSpec{
					Case: spec.Case, Text: spec.Text, Verdict: spec.Verdict,
					Seconds: report.Value{Value: spec.Seconds, Unit: report.Seconds}.String(),
					Reason:  strings.TrimSpace(spec.Reason), State: spec.State, Packets: spec.Packets,
					Observations: []dataObservation{}, Location: spec.Location, Rerun: spec.Rerun,
				}
				if spec.Pcapng != "" {
					s.Pcapng = path.Join(k.Folder, spec.Pcapng)
					// A capture that cannot be read still has the lines that its spec kept of it.
					if diagram, err := ladder.Read(filepath.Join(root, k.Folder, filepath.Base(spec.Pcapng))); err == nil {
						s.Ladder, s.Packets = new(int), nil
						drawings = append(drawings, drawing{row.Family, spec.Case, diagram.Inline(), s.Ladder})
					}
				}
				for _, o := range spec.Observations {
					s.Observations = append(s.Observations, dataObservation{
						Name: o.Name, Value: report.Value{Value: o.Value, Unit: o.Unit}.String(),
						Differs: slices.Contains(cell.Differs, report.ObservationKey(cell.specs, n, o.Name)),
					})
				}
				f.Specs = append(f.Specs, s)
			}
			c.Cells[i] = append(c.Cells[i], f)
		}
	}
	c.Ladders = arrange(drawings)
	return c
}

// drawing is a ladder on its way to the page.
type drawing struct {
	family int
	of     string // the spec's case
	svg    string
	place  *int // where its spec has its number
}

// arrange numbers a claim's drawings, which come kernel by kernel, such that those of the same spec stand side
// by side. One that several kernels share comes once.
func arrange(drawings []drawing) []string {
	slices.SortStableFunc(drawings, func(a, b drawing) int {
		return cmp.Or(cmp.Compare(a.family, b.family), cmp.Compare(a.of, b.of))
	})
	ladders, known := []string{}, map[string]int{}
	for _, d := range drawings {
		n, there := known[d.svg]
		if !there {
			n = len(ladders)
			ladders, known[d.svg] = append(ladders, d.svg), n
		}
		*d.place = n
	}
	return ladders
}

// unbroken keeps FIN-WAIT-2 on one line.
func unbroken(text string) string { return strings.ReplaceAll(text, "-", "\u2011") }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
