package matrix

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/halfopen/halfopen/harness/report"
)

// Widths of the plain table, in columns of a terminal.
const (
	gap         = 2  // between columns; the mark of a difference stands in it
	widestCell  = 26 // "939.6 to 939.7 s ETIMEDOUT"
	widestClaim = 32
)

// differsMark stands before a cell that differs from the one on its left.
const differsMark = "≠"

// Text renders the table for a terminal that is so many columns wide (0: any width), the kernels in
// groups side by side where they do not all fit, then what a cell has no room for: why a kernel did
// not run and why a claim is not kept.
func (m *Matrix) Text(width int, color bool) string {
	t := &text{m: m, color: color}
	t.build()
	for first := 0; first < len(m.Kernels); {
		next := t.fitting(first, width)
		if first > 0 {
			t.line("")
		}
		t.group(first, next)
		first = next
	}
	t.legend()
	t.reasons(width)
	return t.out.String()
}

// text is a table under way: its cells are known before it is drawn, because their widths decide
// how many kernels fit.
type text struct {
	m      *Matrix
	color  bool
	out    strings.Builder
	lines  []textLine
	claims int   // width of the claims' column
	widths []int // of the kernels' columns
}

// textLine is a line of the table: a story's heading, or a claim over one family or both.
type textLine struct {
	story, claim, family string
	cells                []textCell
}

type textCell struct {
	say     string
	differs bool
	verdict report.Verdict
}

func (t *text) build() {
	t.claims = len("claim")
	t.widths = make([]int, len(t.m.Kernels))
	for i, k := range t.m.Kernels {
		t.widths[i] = min(max(utf8.RuneCountInString(k.Label()), len("6.12.117+deb13")), widestCell)
	}
	story := ""
	for _, c := range t.m.claims() {
		if c.claim.Story != story {
			story = c.claim.Story
			t.lines = append(t.lines, textLine{story: story})
		}
		_, name, _ := strings.Cut(c.claim.ID, "/")
		t.claims = max(t.claims, min(2+utf8.RuneCountInString(name), widestClaim))
		if c.together {
			t.add(name, "4 6", c.rows[0])
			continue
		}
		for _, row := range c.rows {
			t.add(name, fmt.Sprint(row.Family), row)
			name = ""
		}
	}
}

func (t *text) add(name, family string, row *Row) {
	line := textLine{claim: name, family: family}
	for i, k := range t.m.Kernels {
		cell := textCell{say: "-"}
		if c, there := row.Cells[k.Name]; there {
			cell = textCell{say: c.say(), differs: len(c.Differs) > 0, verdict: c.Verdict}
		}
		t.widths[i] = max(t.widths[i], min(utf8.RuneCountInString(cell.say), widestCell))
		line.cells = append(line.cells, cell)
	}
	t.lines = append(t.lines, line)
}

// say is a cell in a few words: what was observed if the claim holds, the verdict otherwise.
func (c Cell) say() string {
	switch {
	case c.Verdict == report.Pass && c.Headline != "":
		return c.Headline
	case c.Verdict == report.Fail && c.Headline != "":
		return "FAIL " + c.Headline
	case c.Verdict == report.Fail:
		return "FAIL"
	}
	return string(c.Verdict)
}

// fitting is the first kernel after first that does not fit beside it; one always fits.
func (t *text) fitting(first, width int) int {
	taken := t.claims + len(" 4 6")
	next := first
	for next < len(t.widths) {
		taken += gap + t.widths[next]
		if width > 0 && taken > width && next > first {
			break
		}
		next++
	}
	return next
}

func (t *text) group(first, next int) {
	head, releases := pad("claim", t.claims)+" IP ", pad("", t.claims)+"    "
	for i, k := range t.m.Kernels[first:next] {
		width := t.widths[first+i]
		head += strings.Repeat(" ", gap) + pad(k.Label(), width)
		release := "did not run"
		if k.Ran() {
			release = strings.TrimSuffix(strings.TrimSuffix(k.Release, "-amd64"), "-cloud") // a flavour all of them have
		}
		releases += strings.Repeat(" ", gap) + pad(release, width)
	}
	t.line(head)
	t.line(releases)
	for _, line := range t.lines {
		if line.story != "" {
			t.line(t.paint("1", line.story))
			continue
		}
		out := pad("  "+line.claim, t.claims) + " " + pad(line.family, 3)
		for i, cell := range line.cells[first:next] {
			mark := strings.Repeat(" ", gap)
			if cell.differs {
				mark = pad("", gap-1) + differsMark
			}
			padded := pad(cell.say, t.widths[first+i])
			shown := strings.TrimRight(padded, " ")
			out += t.paint(colorOf(cell), mark+shown) + padded[len(shown):]
		}
		t.line(out)
	}
}

// colorOf is the SGR code of a cell, "" for none.
func colorOf(cell textCell) string {
	switch {
	case cell.verdict == report.Fail:
		return "1;31"
	case cell.verdict == report.Broken:
		return "1;35"
	case cell.differs:
		return "1;36"
	case cell.verdict == report.Unsupported:
		return "33"
	}
	return ""
}

func (t *text) legend() {
	t.line("")
	t.line(differsMark + " not as on the kernel to the left: another verdict, name or number, or a time off by more than 2 % and more than 45 ms and a jiffy")
	t.line("4 6: over IPv4 and IPv6 alike, with IPv4's numbers; -: not decided")
}

// reasons says once what several cells share.
func (t *text) reasons(width int) {
	limit := func(line string) string {
		if width > 0 {
			return cut(line, width)
		}
		return line
	}
	for _, k := range t.m.Kernels {
		if k.Problem != "" {
			t.line("")
			for i, line := range strings.Split(k.Problem, "\n") {
				if i == 0 && !strings.HasPrefix(line, k.Name) {
					line = k.Name + ": " + line
				}
				t.line(limit(line))
			}
		}
	}
	for _, k := range t.m.Kernels {
		for i, line := range k.Complaints {
			if i == 0 {
				t.line("")
				t.line(k.Name + ": the kernel complained on its console")
			}
			t.line(limit("    " + line))
		}
	}
	for _, k := range t.m.Kernels {
		if k.System != "" {
			t.line("")
			t.line(k.Name + " in a whole system")
			for line := range strings.SplitSeq(k.System, "\n") {
				t.line(limit("    " + line))
			}
		}
	}
	for _, why := range t.m.notKept() {
		if why.Verdict == report.Unsupported {
			continue
		}
		t.line("")
		head := fmt.Sprintf("%s  %s over %s on %s", why.Verdict, someOf(why.Claims), strings.Join(why.Families, " and "), strings.Join(why.Kernels, ", "))
		if why.Of != "" {
			head += "; over " + why.Of + ":"
		}
		t.line(limit(head))
		for line := range strings.SplitSeq(why.Reason, "\n") {
			t.line(limit("    " + line))
		}
	}
}

// someOf names one or all of a few; of many their number and the first.
func someOf(names []string) string {
	if len(names) <= 3 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%d claims, the first %s,", len(names), names[0])
}

func (t *text) line(line string) { t.out.WriteString(strings.TrimRight(line, " ") + "\n") }

func (t *text) paint(code, text string) string {
	if !t.color || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// pad makes a text exactly width columns wide, counting a rune as one.
func pad(text string, width int) string {
	text = cut(text, width)
	return text + strings.Repeat(" ", width-utf8.RuneCountInString(text))
}

func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:max(width-1, 0)]) + "…"
}
