package report

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// The faults of the table of detection: cases of the claims whose specs observe a mechanism.
const (
	ProcessKilled = "process killed"
	ProcessFrozen = "process frozen"
	HostOff       = "host off"
	HostRebooted  = "host rebooted"
	CableOut      = "cable out"
	PathSilent    = "path silent"
)

// DetectionFaults are the table's columns, in order.
func DetectionFaults() []string {
	return []string{ProcessKilled, ProcessFrozen, HostOff, HostRebooted, CableOut, PathSilent}
}

// DetectionTable says how long each mechanism took to notice each fault, as one run measured it.
type DetectionTable struct {
	Run  string // the kernel, the clock and the profile
	Rows []DetectionRow
}

// DetectionRow is a mechanism, with a cell for each of DetectionFaults.
type DetectionRow struct {
	Mechanism string
	Cells     []DetectionCell
}

// DetectionCell is what a mechanism made of a fault. Neither part is there where the run has none.
type DetectionCell struct {
	Noticed  bool    // the fault was; else the times are of the survivor's own end or of the watch
	Closes   bool    // not noticed, but the survivor closes by itself
	From, To float64 // seconds, the range of After or of what Told says; 0 where there is none
	After    string  // "1.63 s", "never", or the verdict where it is no pass
	Told     string  // what told it, "ETIMEDOUT"; of "never": how long it was watched, or that it closes without having noticed
}

// ErrNoDetection is Detection's for a run that measured none.
var ErrNoDetection = errors.New("the run measured no detection: it must include `halfopen run application`")

// Detection reads the table out of a run's results. Both families make one cell.
func Detection(run Run) (DetectionTable, error) {
	table := DetectionTable{Run: fmt.Sprintf("Linux %s (HZ %d), %s clock, profile %s", run.Kernel.Release, run.Kernel.HZ, run.Clock, run.Profile)}
	rows := map[string][]Result{}
	var order []string
	for _, result := range run.Claims {
		if isDetection(result) {
			if _, seen := rows[result.ID]; !seen {
				order = append(order, result.ID)
			}
			rows[result.ID] = append(rows[result.ID], result)
		}
	}
	if len(order) == 0 {
		return table, ErrNoDetection
	}
	for _, id := range order {
		row := DetectionRow{Mechanism: cmp.Or(mechanism(rows[id]), id)}
		for _, fault := range DetectionFaults() {
			row.Cells = append(row.Cells, cellOf(fault, rows[id]))
		}
		table.Rows = append(table.Rows, row)
	}
	return table, nil
}

// detectionPrefix is how the IDs of the claims begin that are the table's rows.
const detectionPrefix = "application/detection-"

func isDetection(result Result) bool { return strings.HasPrefix(result.ID, detectionPrefix) }

// mechanism is what the specs of a claim call it: the same in every case.
func mechanism(results []Result) string {
	for _, fault := range DetectionFaults() {
		if values := observed(fault, "mechanism", results); len(values) > 0 {
			return spoken(Name, values)
		}
	}
	return ""
}

// observed are the values of one observation of a case, of either family.
func observed(fault, name string, results []Result) []any {
	key := strings.ReplaceAll(fault, " ", "_") + "." + name
	var values []any
	for _, result := range results {
		if value, there := result.Observations[key]; there {
			values = append(values, value.Value)
		}
	}
	return values
}

func cellOf(fault string, results []Result) DetectionCell {
	// A spec that failed has observed nothing: what the other family's has is not the whole.
	whole := func(name string) (said string, is bool) {
		values := observed(fault, name, results)
		return spoken(Seconds, values), len(values) == len(results)
	}
	cell := func(name string) (c DetectionCell) {
		c.From, c.To = span(observed(fault, name, results))
		return c
	}
	if after, is := whole("detected_after"); is {
		c := cell("detected_after")
		c.Noticed, c.After, c.Told = true, after, spoken(Name, observed(fault, "told", results))
		return c
	}
	if after, is := whole("released_after"); is {
		c := cell("released_after")
		c.Closes, c.After, c.Told = true, "never", "closes after "+after
		return c
	}
	if silent, is := whole("undetected_for"); is {
		c := cell("undetected_for")
		c.After, c.Told = "never", "watched "+silent
		return c
	}
	var verdicts []Verdict
	for _, result := range results {
		verdicts = append(verdicts, result.Verdict)
	}
	if verdict := worst(verdicts); verdict != Pass {
		return DetectionCell{After: string(verdict)}
	}
	return DetectionCell{After: "-"}
}

// span is the least and the greatest of some numbers.
func span(values []any) (low, high float64) {
	for i, value := range values {
		if v, is := value.(float64); is {
			low, high = bounds(i, low, high, v)
		}
	}
	return low, high
}

// Text lays the table out for a terminal: each row in two lines, the time and what told it.
func (t DetectionTable) Text() string {
	widths := []int{0}
	for _, row := range t.Rows {
		widths[0] = max(widths[0], utf8.RuneCountInString(row.Mechanism))
	}
	for i, fault := range DetectionFaults() {
		width := len(fault)
		for _, row := range t.Rows {
			width = max(width, len(row.Cells[i].After), len(row.Cells[i].Told))
		}
		widths = append(widths, width)
	}
	var out strings.Builder
	line := func(first string, cells []string) {
		text := fmt.Sprintf("%-*s", widths[0], first)
		for i, cell := range cells {
			text += fmt.Sprintf("  %-*s", widths[i+1], cell)
		}
		out.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	out.WriteString(t.Run + "\n\n")
	line("noticed by", DetectionFaults())
	for _, row := range t.Rows {
		out.WriteString("\n")
		var after, told []string
		for _, cell := range row.Cells {
			after, told = append(after, cell.After), append(told, cell.Told)
		}
		line(row.Mechanism, after)
		if slices.ContainsFunc(told, func(s string) bool { return s != "" }) {
			line("", told)
		}
	}
	return out.String()
}

// Markdown lays the table out for a README.
func (t DetectionTable) Markdown() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n\n| noticed by | %s |\n|%s\n", t.Run, strings.Join(DetectionFaults(), " | "), strings.Repeat(" --- |", len(DetectionFaults())+1))
	for _, row := range t.Rows {
		cells := []string{row.Mechanism}
		for _, cell := range row.Cells {
			text := cell.After
			if cell.Told != "" {
				text += ", " + cell.Told
			}
			cells = append(cells, text)
		}
		fmt.Fprintf(&out, "| %s |\n", strings.Join(cells, " | "))
	}
	return out.String()
}
