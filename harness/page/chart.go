package page

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"

	"github.com/halfopen/halfopen/harness/report"
)

// The time axis of the chart: a millisecond to ten thousand seconds, logarithmic.
const (
	axisFrom    = 1e-3
	axisDecades = 7
)

// axis gives the place of a time, from 0 to 1.
func axis(seconds float64) float64 {
	return min(1, max(0, math.Log10(max(seconds, axisFrom)/axisFrom)/axisDecades))
}

// wideChart draws the table of detection as a matrix: mechanisms down, faults across, each cell with
// a time axis of its own.
func wideChart(t report.DetectionTable) template.HTML {
	const (
		label, column, inset = 206.0, 152.0, 10.0
		head, row            = 30.0, 52.0
	)
	faults := report.DetectionFaults()
	width, height := label+column*float64(len(faults)), head+row*float64(len(t.Rows))+26
	var out strings.Builder
	openChart(&out, "wide", width, height)
	for i, fault := range faults {
		x := label + column*float64(i)
		text(&out, "fault", x+column/2, 18, fault)
		grid(&out, x+inset, head, column-2*inset, row*float64(len(t.Rows)))
	}
	for r, line := range t.Rows {
		y := head + row*float64(r)
		fmt.Fprintf(&out, `<path class="sep" d="M0 %sH%s"/>`, num(y), num(width))
		name, settings, _ := strings.Cut(line.Mechanism, ": ")
		text(&out, "name", 4, y+18, name)
		for i, part := range strings.SplitAfter(settings, ", ") {
			text(&out, "set", 4, y+32+12*float64(i), strings.TrimSuffix(part, ", "))
		}
		for i, cell := range line.Cells {
			x := label + column*float64(i)
			mark(&out, cell, x+inset, y+30, column-2*inset)
			text(&out, "when "+tone(cell), x+column/2, y+16, cell.After)
			text(&out, "told", x+column/2, y+46, cell.Told)
		}
	}
	out.WriteString("</svg>")
	return template.HTML(out.String())
}

// tallChart is wideChart for a narrow screen: a block for each mechanism, a line for each fault.
func tallChart(t report.DetectionTable) template.HTML {
	const width, label, inset, line, head = 340.0, 100.0, 8.0, 32.0, 26.0
	faults := report.DetectionFaults()
	block := head + line*float64(len(faults)) + 24
	var out strings.Builder
	openChart(&out, "tall", width, block*float64(len(t.Rows)))
	for r, row := range t.Rows {
		y := block * float64(r)
		fmt.Fprintf(&out, `<path class="sep" d="M0 %sH%s"/>`, num(y+2), num(width))
		name, settings, _ := strings.Cut(row.Mechanism, ": ")
		fmt.Fprintf(&out, `<text class="name" x="4" y="%s">%s<tspan dx="8">%s</tspan></text>`, num(y+18), html.EscapeString(name), html.EscapeString(settings))
		grid(&out, label, y+head, width-label-inset, line*float64(len(faults)))
		for i, cell := range row.Cells {
			at := y + head + line*float64(i)
			text(&out, "set", 4, at+20, faults[i])
			mark(&out, cell, label, at+22, width-label-inset)
			text(&out, "when "+tone(cell), label+(width-label-inset)/2, at+13, strings.TrimSuffix(cell.After+", "+cell.Told, ", "))
		}
	}
	out.WriteString("</svg>")
	return template.HTML(out.String())
}

func openChart(out *strings.Builder, name string, width, height float64) {
	fmt.Fprintf(out, `<svg class="chart %s" role="img" aria-label="how soon each mechanism noticed each fault" width="%[2]s" height="%[3]s" viewBox="0 0 %[2]s %[3]s">`, name, num(width), num(height))
}

// tone is the class of a cell's time.
func tone(cell report.DetectionCell) string {
	switch {
	case cell.Noticed:
		return "noticed"
	case cell.After == "never":
		return "never"
	}
	return "none"
}

// grid draws the decades, and under them the times of some.
func grid(out *strings.Builder, x, y, width, height float64) {
	for decade := range axisDecades + 1 {
		at := x + width*float64(decade)/axisDecades
		class := "grid"
		if decade%3 == 0 {
			class = "grid main"
		}
		fmt.Fprintf(out, `<path class="%s" d="M%s %sv%s"/>`, class, num(at), num(y), num(height))
	}
	for _, tick := range []struct {
		decade float64
		name   string
	}{{0, "1 ms"}, {3, "1 s"}, {6, "1000 s"}} {
		text(out, "tick", x+width*tick.decade/axisDecades, y+height+14, tick.name)
	}
}

// mark draws a cell: a bar from the fault to a disc where it was noticed, an open square where the
// survivor closed without having noticed, an open arrow where it was watched in vain.
func mark(out *strings.Builder, cell report.DetectionCell, x, y, width float64) {
	if cell.To == 0 {
		return
	}
	from, to := x+width*axis(cell.From), x+width*axis(cell.To)
	switch {
	case cell.Noticed:
		fmt.Fprintf(out, `<path class="bar" d="M%s %sH%s"/><path class="range" d="M%s %sH%s"/><circle class="disc" cx="%s" cy="%s" r="5"/>`,
			num(x), num(y), num(to), num(from), num(y), num(to), num(to), num(y))
	case cell.Closes:
		fmt.Fprintf(out, `<path class="vain" d="M%s %sH%s"/><path class="open" d="M%s %sh8v8h-8z"/>`, num(x), num(y), num(to-4), num(to-4), num(y-4))
	default:
		fmt.Fprintf(out, `<path class="vain" d="M%s %sH%s"/><path class="open" d="M%s %sl8 4.5 -8 4.5z"/>`, num(x), num(y), num(to), num(to), num(y-4.5))
	}
}

func text(out *strings.Builder, class string, x, y float64, what string) {
	if what != "" {
		fmt.Fprintf(out, `<text class="%s" x="%s" y="%s">%s</text>`, class, num(x), num(y), html.EscapeString(what))
	}
}

func num(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }
