package ladder

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Widths of the drawing in a terminal, in columns. Below narrowest the diagram is a list.
const (
	narrowest = 56
	widest    = 100
	timeWidth = 10
)

// Text draws the diagram for a terminal of so many columns; of more than 100 it uses 100, and below 56
// it is a list of what happened. With color, terminal escapes tell the kinds of arrows apart as well.
// Lines end in a newline.
func (d *Diagram) Text(columns int, color bool) string {
	if len(d.Lanes) == 0 || len(d.Rows) == 0 {
		return "(nothing was captured)\n"
	}
	if columns < narrowest || len(d.Lanes) < 2 {
		return d.list(max(columns, 24), color)
	}
	t := terminal{Diagram: d, width: min(columns, widest), color: color}
	t.left = timeWidth + 1
	t.step = (t.width - t.left - 1) / (len(d.Lanes) - 1)
	t.heads()
	for i, row := range d.Rows {
		t.row(row, i > 0 && row.sameTime(d.Rows[i-1]))
	}
	return t.out.String()
}

type terminal struct {
	*Diagram
	out   strings.Builder
	width int
	left  int // column of the first lane
	step  int // columns from lane to lane
	color bool
}

func (t *terminal) column(lane int) int { return t.left + lane*t.step }

// canvas is a line with the lanes in it.
func (t *terminal) canvas(at string) []rune {
	line := []rune(strings.Repeat(" ", t.width+1))
	copy(line[max(timeWidth-1-utf8.RuneCountInString(at), 0):], []rune(at))
	for i := range t.Lanes {
		line[t.column(i)] = '│'
	}
	return line
}

// put writes text into a line at a column, as far as there is room.
func put(line []rune, column int, text string) {
	if column < 0 || column >= len(line) {
		return
	}
	copy(line[column:], []rune(text))
}

func (t *terminal) print(line []rune, code string) {
	text := strings.TrimRight(string(line), " ")
	if t.color && code != "" {
		text = "\x1b[" + code + "m" + text + "\x1b[0m"
	}
	t.out.WriteString(text + "\n")
}

func (t *terminal) heads() {
	if len(t.Pairs) > 1 {
		for i, pair := range t.Pairs {
			t.out.WriteString(letterOf(i) + "  " + pair + "\n")
		}
	}
	for _, of := range []func(Lane) string{func(l Lane) string { return l.Name }, func(l Lane) string { return l.Address }} {
		line := []rune(strings.Repeat(" ", t.width+1))
		for i, lane := range t.Lanes {
			text := clip(of(lane), t.step-2)
			at := t.column(i)
			switch {
			case i == len(t.Lanes)-1:
				at += 1 - utf8.RuneCountInString(text)
			case i > 0:
				at -= utf8.RuneCountInString(text) / 2
			}
			put(line, at, text)
		}
		t.print(line, "1")
	}
}

func (t *terminal) row(row Row, sameTime bool) {
	at := clock(row.At)
	if sameTime {
		at = ""
	}
	switch {
	case row.Gap != nil:
		line := t.canvas("")
		for i := range t.Lanes {
			line[t.column(i)] = '┊'
		}
		put(line, t.left+3, "⋮ "+span(row.Gap.Length))
		t.print(line, "2")
	case row.Fold != nil:
		text := "⋯ " + row.Fold.Text
		if row.Fold.Length >= time.Millisecond {
			text += ", in " + span(row.Fold.Length)
		}
		for _, part := range wrap(text, t.width-t.left-4) {
			line := t.canvas("")
			put(line, t.left+3, part)
			t.print(line, "2")
		}
	case row.Rule != "":
		line := []rune(strings.Repeat("─", t.width))
		put(line, t.left+3, " "+row.Rule+" ")
		t.print(line, "2")
	case row.Arrow != nil:
		t.arrow(row.Arrow, at)
	case row.Note != nil:
		t.note(row.Note, at)
	}
}

// strokes are the line and the heads of a look.
func strokes(a *Arrow) (line, right, left rune) {
	line, right, left = '─', '▶', '◀'
	switch a.Look {
	case LookACK:
		right, left = '>', '<'
	case LookProbe:
		line, right, left = '┈', '▷', '◁'
	case LookRST:
		line = '═'
	case LookICMP, LookUDP:
		line, right, left = '·', '▷', '◁'
	}
	if a.Again {
		line = '╌'
	}
	return line, right, left
}

func (t *terminal) arrow(a *Arrow, when string) {
	line := t.canvas(when)
	from, to := t.column(a.From), t.column(a.To)
	stroke, right, left := strokes(a)
	way := 1
	if to < from {
		way = -1
	}
	end := to - way
	if a.Lost {
		end = from + (to-from)*6/10
		if a.At >= 0 && a.At != a.To {
			end = t.column(a.At)
		}
	}
	begin := from + way
	if a.Forged {
		begin = to - way*t.step/2
	}
	for at := begin; at != end; at += way {
		if line[at] == '│' {
			line[at] = '┼'
			continue
		}
		line[at] = stroke
	}
	switch {
	case a.Lost:
		line[end] = '✗'
	case way > 0:
		line[end] = right
	default:
		line[end] = left
	}
	if a.Forged {
		line[begin] = '◇'
	}
	// The label lies in the line, two strokes from where it begins; a cross or a head stays in sight.
	text, room := strings.TrimSpace(a.Pair+" "+a.Name), 0
	if room = (end - begin) * way; a.Lost {
		room = (to-begin)*way - 1
	}
	room -= 6
	for _, more := range []string{a.Numbers, a.Extra, a.Payload} {
		if more != "" && utf8.RuneCountInString(text)+2+utf8.RuneCountInString(more) <= room {
			text += "  " + more
		}
	}
	text = " " + clip(text, room) + " "
	size := utf8.RuneCountInString(text)
	at := begin + 2
	if way < 0 {
		at = begin - 1 - size
	}
	over := (end-begin)*way - 3 // columns of the arrow that a label may take
	if a.Lost && size > over {
		// The cross goes behind the label.
		cross := at + size
		if way < 0 {
			cross = at - 1
		}
		for i := begin; i != to; i += way {
			switch {
			case i == cross:
			case (cross-i)*way < 0 && line[i] != '│' && line[i] != '┼':
				line[i] = ' '
			case (cross-i)*way < 0 && line[i] == '┼':
				line[i] = '│'
			}
		}
		if end != cross {
			if t.laneAt(end) {
				line[end] = '│'
			} else if (cross-end)*way < 0 {
				line[end] = ' '
			}
		}
		line[cross] = '✗'
	}
	put(line, at, text)
	t.print(line, paint(a))
}

func (t *terminal) laneAt(column int) bool {
	for i := range t.Lanes {
		if t.column(i) == column {
			return true
		}
	}
	return false
}

// paint is the escape's code for an arrow's colour.
func paint(a *Arrow) string {
	if a.Again {
		return "33"
	}
	return map[Look]string{LookSYN: "34", LookACK: "2", LookProbe: "35", LookFIN: "32", LookRST: "1;31", LookICMP: "35", LookUDP: "35"}[a.Look]
}

func (t *terminal) note(n *Note, when string) {
	mark := map[Sort]string{SortFault: "◆", SortCall: "○", SortState: "□", SortOther: "•"}[n.Sort]
	code := map[Sort]string{SortFault: "31", SortOther: "2"}[n.Sort]
	// A text stands right of its lane, within the last one, and left of that.
	last := len(t.Lanes) - 1
	room := t.width - t.left - 6
	if n.Lane > 0 && n.Lane < last {
		room = t.column(last) - t.column(n.Lane) - 4
	}
	lines := wrap(n.Text, room)
	for i, text := range lines {
		if i > 0 {
			when, mark = "", "│"
		}
		line := t.canvas(when)
		size := utf8.RuneCountInString(text)
		at := t.left + 3
		if n.Lane >= 0 {
			put(line, t.column(n.Lane), mark)
			at = t.column(n.Lane) + 2
			if n.Lane == last {
				at = t.column(n.Lane) - 1 - size
			}
		} else if i == 0 {
			text = "· " + text
		}
		put(line, at, text)
		t.print(line, code)
	}
}

// list is the diagram where there is no room to draw.
func (d *Diagram) list(columns int, color bool) string {
	t := terminal{Diagram: d, width: columns, color: color}
	for _, pair := range d.Pairs {
		t.out.WriteString(strings.Join(wrap(pair, columns), "\n") + "\n")
	}
	for _, row := range d.Rows {
		text, code := "", ""
		switch {
		case row.Gap != nil:
			text, code = "⋮ "+span(row.Gap.Length), "2"
		case row.Fold != nil:
			text, code = "⋯ "+row.Fold.Text, "2"
		case row.Rule != "":
			text = "── " + row.Rule
		case row.Arrow != nil:
			a := row.Arrow
			head := "->"
			if a.Lost {
				head = "-x"
			}
			text, code = fmt.Sprintf("%s %s %s %s: %s", clock(row.At), d.Lanes[a.From].Name, head, d.Lanes[a.To].Name, a.Name), paint(a)
		case row.Note != nil:
			text = clock(row.At) + " · "
			if row.Note.Lane >= 0 {
				text += d.Lanes[row.Note.Lane].Name + ": "
			}
			text += row.Note.Text
		}
		for i, line := range wrap(text, columns-4) {
			if i > 0 {
				line = "    " + line
			}
			t.print([]rune(line), code)
		}
	}
	return t.out.String()
}

// clip shortens a text to so many columns.
func clip(text string, columns int) string {
	if utf8.RuneCountInString(text) <= columns {
		return text
	}
	return string([]rune(text)[:max(columns-1, 0)]) + "…"
}
