package ladder

import (
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

//go:embed style.css
var style string

// CSS is the style of an SVG that is Inline; it concerns elements of class "ladder" alone.
func CSS() string { return style }

// Lengths of the drawing, in CSS pixels. A column of the labels' font is charWidth wide.
const (
	charWidth  = 6.65
	gutter     = 88.0 // the first lane: left of it are the times
	margin     = 76.0 // right of the last lane, for half its host's box
	arrowRow   = 32.0
	noteLine   = 15.0
	slant      = 6.0 // how much later an arrow ends than it begins
	boxWidth   = 144.0
	boxHeight  = 34.0
	titleWidth = 7.0
)

// laneGap is the distance between two lanes.
func laneGap(lanes int) float64 {
	switch {
	case lanes <= 2:
		return 476
	case lanes == 3:
		return 300
	}
	return 260
}

// SVG draws the diagram as a file of its own.
func (d *Diagram) SVG() []byte { return []byte(d.draw(true)) }

// Inline draws the diagram as an element of an HTML page that has CSS among its styles. It has no
// title: the page says what it is of.
func (d *Diagram) Inline() string { return d.draw(false) }

// Stack draws several diagrams under one another as one file.
func Stack(diagrams []*Diagram) []byte {
	var parts []string
	width, height := 0.0, 0.0
	for _, d := range diagrams {
		p := d.painter()
		p.paint(true)
		parts = append(parts, fmt.Sprintf(`<g transform="translate(0 %s)">%s</g>`, num(height), p.out.String()))
		width, height = max(width, p.width), height+p.y
	}
	return []byte(open(width, height, true) + "<style>" + style + "</style>" +
		fmt.Sprintf(`<rect class="bg" width="%s" height="%s"/>`, num(width), num(height)) + strings.Join(parts, "\n") + "</svg>\n")
}

func (d *Diagram) draw(alone bool) string {
	p := d.painter()
	p.paint(alone)
	var out strings.Builder
	out.WriteString(open(p.width, p.y, alone))
	if alone {
		fmt.Fprintf(&out, "<title>%s</title>\n<style>%s</style>\n", escape(d.Title), style)
	}
	fmt.Fprintf(&out, `<rect class="bg" width="%s" height="%s"/>`+"\n", num(p.width), num(p.y))
	out.WriteString(p.out.String())
	out.WriteString("</svg>")
	if alone {
		out.WriteString("\n")
	}
	return out.String()
}

func open(width, height float64, alone bool) string {
	if alone {
		return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" class="ladder" width="%[1]s" height="%[2]s" viewBox="0 0 %[1]s %[2]s">`+"\n", num(width), num(height))
	}
	return fmt.Sprintf(`<svg class="ladder" role="img" aria-label="ladder diagram" width="%[1]s" height="%[2]s" viewBox="0 0 %[1]s %[2]s">`+"\n", num(width), num(height))
}

// painter draws from top to bottom; y is where the next row begins.
type painter struct {
	*Diagram
	out   strings.Builder
	width float64
	y     float64
	used  []sample
}

func (d *Diagram) painter() *painter {
	return &painter{Diagram: d, width: gutter + laneGap(len(d.Lanes))*float64(max(len(d.Lanes)-1, 1)) + margin}
}

// x is where a lane is.
func (p *painter) x(lane int) float64 { return gutter + laneGap(len(p.Lanes))*float64(lane) }

func (p *painter) paint(titled bool) {
	p.y = 10
	if titled && p.Title != "" {
		for _, line := range wrap(p.Title, int((p.width-24)/titleWidth)) {
			p.y += 16
			p.text("title", 12, p.y, escape(line))
		}
		p.y += 8
	}
	if len(p.Lanes) == 0 || len(p.Rows) == 0 {
		p.text("gt", p.width/2, p.y+16, "nothing was captured")
		p.y += 30
		return
	}
	p.hosts()
	top := p.y
	rows := painter{Diagram: p.Diagram, width: p.width, y: p.y + 8}
	for i, row := range p.Rows {
		rows.row(row, i > 0 && row.sameTime(p.Rows[i-1]))
	}
	rows.y += 6
	for i := range p.Lanes {
		fmt.Fprintf(&p.out, `<path class="lane" d="M%[1]s %[2]sV%[3]s"/>`, num(p.x(i)), num(top), num(rows.y))
	}
	p.out.WriteString("\n" + rows.out.String())
	p.y, p.used = rows.y, rows.used
	p.legend()
}

// hosts draws the heads of the lanes and, where there are several, the conversations.
func (p *painter) hosts() {
	if len(p.Pairs) > 1 {
		for i, pair := range p.Pairs {
			p.y += noteLine
			p.text("q", 12, p.y, escape(letterOf(i)+"  "+pair))
		}
		p.y += 8
	}
	for i, lane := range p.Lanes {
		x := p.x(i)
		fmt.Fprintf(&p.out, `<rect class="host" x="%s" y="%s" width="%s" height="%s" rx="5"/>`, num(x-boxWidth/2), num(p.y), num(boxWidth), num(boxHeight))
		if lane.Address == "" {
			p.text("head", x, p.y+21, escape(lane.Name))
			continue
		}
		p.text("head", x, p.y+14, escape(lane.Name))
		p.text("small", x, p.y+27, escape(lane.Address))
	}
	p.y += boxHeight
}

func (p *painter) row(row Row, sameTime bool) {
	switch {
	case row.Gap != nil:
		p.gap(row.Gap.Length)
		return
	case row.Fold != nil:
		p.fold(row.Fold)
		return
	case row.Rule != "":
		fmt.Fprintf(&p.out, `<path class="rule" d="M8 %[1]sH%[2]s"/>`, num(p.y+8), num(p.width-8))
		p.text("gt", p.width/2, p.y+20, escape(row.Rule))
		p.y += 26
		return
	}
	if !sameTime {
		at := p.y + 12
		if row.Arrow != nil {
			at = p.y + 20
		}
		p.text("t", gutter-16, at, clock(row.At))
	}
	if row.Arrow != nil {
		p.arrow(row.Arrow)
		return
	}
	p.note(row.Note)
}

// gap is a band with torn edges, higher the longer it stands for. Its height is of whole pixels: two kernels
// whose silences differ a little give drawings that are equal but for the times.
func (p *painter) gap(length time.Duration) {
	height := 18 + math.Round(4*math.Log10(max(length.Seconds()*10, 1)))
	top, bottom := p.y+2, p.y+2+height
	left, right := gutter-14, p.width-margin+14
	fmt.Fprintf(&p.out, `<path class="gap" d="M%[1]s %[2]sH%[3]sV%[4]sH%[1]sz"/>`, num(left), num(top), num(right), num(bottom))
	for _, y := range []float64{top, bottom} {
		fmt.Fprintf(&p.out, `<path class="torn" d="M%s %s%s"/>`, num(left), num(y), strings.Repeat("l7 -3 7 3", int((right-left)/14)))
	}
	p.text("gt", (left+right)/2, (top+bottom)/2+4, "⋮ "+span(length))
	p.out.WriteString("\n")
	p.y = bottom + 6
}

func (p *painter) fold(f *Fold) {
	text := "⋯ " + f.Text
	if f.Length >= time.Millisecond {
		text += ", in " + span(f.Length)
	}
	lines := wrap(text, int((p.width-gutter-margin)/charWidth))
	height := noteLine*float64(len(lines)) + 10
	left, right := gutter-14, p.width-margin+14
	fmt.Fprintf(&p.out, `<path class="gap" d="M%[1]s %[2]sH%[3]sV%[4]sH%[1]sz"/>`, num(left), num(p.y+2), num(right), num(p.y+2+height))
	for i, line := range lines {
		p.text("gt", (left+right)/2, p.y+17+noteLine*float64(i), escape(line))
	}
	p.out.WriteString("\n")
	p.y += height + 6
}

// arrow is one segment: its label above its line, the head at its end or a cross where it was lost.
func (p *painter) arrow(a *Arrow) {
	from, to := p.x(a.From), p.x(a.To)
	way := 1.0
	if to < from {
		way = -1
	}
	y1, y2 := p.y+19, p.y+19+slant
	if a.Forged {
		from = to - way*laneGap(len(p.Lanes))/2
	}
	end := to - way*2
	if a.Lost {
		end = from + (to-from)*0.6
		if a.At >= 0 {
			end = p.x(a.At)
		}
		y2 = y1 + slant*(end-from)/(to-from)
	}
	class := string(a.Look)
	if a.Again {
		class += " again"
	}
	p.use(a)
	fmt.Fprintf(&p.out, `<g><title>%s</title>`, escape(a.Detail))
	tail := from
	if a.Forged {
		fmt.Fprintf(&p.out, `<path class="o %s" d="M%s %sl5 5 5 -5 -5 -5z"/>`, class, num(from-5), num(y1))
		tail = from + way*5
	}
	stop := end
	if !a.Lost {
		stop = end - way*headLength(a.Look)
	}
	fmt.Fprintf(&p.out, `<path class="a %s" d="M%s %sL%s %s"/>`, class, num(tail), num(y1), num(stop), num(y2))
	if a.Lost {
		fmt.Fprintf(&p.out, `<path class="x" d="M%[1]s %[2]sl10 10m0 -10l-10 10"/>`, num(end-5), num(y2-5))
	} else {
		p.head(a.Look, class, end, y2, way)
	}
	p.label(a, min(p.x(a.From), p.x(a.To)), max(p.x(a.From), p.x(a.To)))
	p.out.WriteString("</g>\n")
	p.y += arrowRow
}

func headLength(look Look) float64 {
	switch look {
	case LookACK:
		return 0
	case LookRST:
		return 14
	case LookFIN:
		return 12
	}
	return 9
}

// head is an arrow's head, of another shape for each look: filled, open, hollow, doubled, barred.
func (p *painter) head(look Look, class string, x, y, way float64) {
	back := func(d float64) string { return num(x - way*d) }
	tip := num(x)
	up, down, middle := num(y-4.5), num(y+4.5), num(y)
	filled := func(from, to float64) {
		fmt.Fprintf(&p.out, `<path class="h %s" d="M%s %sL%s %sV%sz"/>`, class, back(from), middle, back(to), up, down)
	}
	switch look {
	case LookACK:
		fmt.Fprintf(&p.out, `<path class="a %s" style="stroke-dasharray:none" d="M%s %sL%s %sL%s %s"/>`, class, back(8), up, tip, middle, back(8), down)
	case LookRST:
		filled(0, 8)
		filled(7, 15)
	case LookFIN:
		filled(3, 12)
		fmt.Fprintf(&p.out, `<path class="a %s" style="stroke-dasharray:none" d="M%s %sV%s"/>`, class, back(1), up, down)
	case LookProbe, LookICMP, LookUDP:
		fmt.Fprintf(&p.out, `<path class="o %s" d="M%s %sL%s %sV%sz"/>`, class, tip, middle, back(9), up, down)
	case LookSYN:
		filled(0, 9)
		fmt.Fprintf(&p.out, `<circle class="o %s" style="stroke-dasharray:none" cx="%s" cy="%s" r="3"/>`, class, back(13), middle)
	default:
		filled(0, 9)
	}
}

// label writes what an arrow is, and as much of its numbers and payload as there is room for.
func (p *painter) label(a *Arrow, left, right float64) {
	room := int((right-left-16)/charWidth) + 1
	if right-left < laneGap(len(p.Lanes))*1.5 && len(p.Lanes) > 2 {
		room = 200 // a label may cross the other lanes: nothing else is in its row
	}
	name := strings.TrimSpace(a.Pair + " " + a.Name)
	rest := ""
	for _, more := range []string{a.Numbers, a.Extra, a.Payload} {
		if more != "" && utf8.RuneCountInString(name+rest)+2+utf8.RuneCountInString(more) <= room {
			rest += "  " + more
		}
	}
	x := (left + right) / 2
	half := float64(utf8.RuneCountInString(name+rest)) * charWidth / 2
	x = max(gutter+half+6, min(x, p.width-margin-half-6))
	p.text("m b", x, p.y+12, escape(name)+`<tspan class="q" xml:space="preserve">`+escape(rest)+"</tspan>")
}

// note is an event: a mark on its host's lane and its text beside it, towards the middle.
func (p *painter) note(n *Note) {
	class := map[Sort]string{SortFault: "ft", SortState: "st", SortOther: "ot"}[n.Sort]
	room := int((p.width-gutter-margin)/charWidth) - 4
	lines := wrap(n.Text, room)
	defer func() { p.out.WriteString("\n"); p.y += noteLine*float64(len(lines)) + 5 }()
	if n.Lane < 0 {
		for i, line := range lines {
			p.text("m "+class, (gutter+p.width-margin)/2, p.y+12+noteLine*float64(i), escape(line))
		}
		return
	}
	x, way, anchor := p.x(n.Lane), 1.0, ""
	if n.Lane == len(p.Lanes)-1 && n.Lane > 0 {
		way, anchor = -1, "e "
	}
	p.event(n.Sort, x, p.y+8)
	beside := x + way*13
	// A lane in the middle has less room on its right than a long text takes.
	widest := 0.0
	for _, line := range lines {
		widest = max(widest, float64(utf8.RuneCountInString(line))*charWidth)
	}
	if end := p.x(len(p.Lanes) - 1); way > 0 && beside+widest > end-8 {
		if x-13-widest > gutter {
			beside, anchor = x-13, "e "
		} else {
			lines = wrap(n.Text, int((end-8-beside)/charWidth))
		}
	}
	for i, line := range lines {
		p.text(strings.TrimSpace(anchor+class), beside, p.y+12+noteLine*float64(i), escape(line))
	}
}

// event is the mark of an event: a bolt of a diamond for a fault, a square for a state, a circle for
// a call, a dot for the rest.
func (p *painter) event(sort Sort, x, y float64) {
	switch sort {
	case SortFault:
		fmt.Fprintf(&p.out, `<path class="ev fault" d="M%s %sl6 6 6 -6 -6 -6z"/>`, num(x-6), num(y))
	case SortState:
		fmt.Fprintf(&p.out, `<path class="ev" d="M%s %sh9v9h-9z"/>`, num(x-4.5), num(y-4.5))
	case SortCall:
		fmt.Fprintf(&p.out, `<circle class="ev" cx="%s" cy="%s" r="4"/>`, num(x), num(y))
	default:
		fmt.Fprintf(&p.out, `<circle class="ev other" cx="%s" cy="%s" r="3"/>`, num(x), num(y))
	}
}

// sample is an entry of the legend.
type sample struct {
	class string
	look  Look
	name  string
	lost  bool
}

// use remembers that a kind of arrow is in the picture.
func (p *painter) use(a *Arrow) {
	names := map[Look]string{
		LookSYN: "SYN", LookData: "data", LookACK: "ACK", LookProbe: "probe", LookFIN: "FIN", LookRST: "RST", LookICMP: "ICMP error", LookUDP: "UDP",
	}
	s := sample{class: string(a.Look), look: a.Look, name: names[a.Look]}
	if a.Again {
		s.class, s.name = s.class+" again", s.name+" again"
	}
	for _, add := range []sample{s, {class: "ack", name: "lost", lost: true}} {
		if add.lost && !a.Lost {
			continue
		}
		known := false
		for _, u := range p.used {
			known = known || u == add
		}
		if !known {
			p.used = append(p.used, add)
		}
	}
}

func (p *painter) legend() {
	x := 12.0
	p.y += 6
	for _, s := range p.used {
		wide := 44 + float64(len(s.name))*charWidth
		if x+wide > p.width {
			x, p.y = 12, p.y+16
		}
		y := p.y + 8
		fmt.Fprintf(&p.out, `<path class="a %s" d="M%s %sH%s"/>`, s.class, num(x), num(y), num(x+26-headLength(s.look)))
		if s.lost {
			fmt.Fprintf(&p.out, `<path class="x" d="M%s %sl8 8m0 -8l-8 8"/>`, num(x+20), num(y-4))
		} else {
			p.head(s.look, s.class, x+28, y, 1)
		}
		p.text("ot", x+34, y+4, escape(s.name))
		x += wide
	}
	p.out.WriteString("\n")
	p.y += 22
}

func (p *painter) text(class string, x, y float64, markup string) {
	if class == "" {
		fmt.Fprintf(&p.out, `<text x="%s" y="%s">%s</text>`, num(x), num(y), markup)
		return
	}
	fmt.Fprintf(&p.out, `<text class="%s" x="%s" y="%s">%s</text>`, class, num(x), num(y), markup)
}

// num writes a length to a tenth of a pixel.
func num(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// escape makes text of anything, also what XML cannot hold.
func escape(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError || r == 0xfffe || r == 0xffff {
			return '?'
		}
		return r
	}, text)
	return escaper().Replace(text)
}

// escaper is made once, and not before it is needed.
var escaper = sync.OnceValue(func() *strings.Replacer {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")
})

// wrap breaks a text at spaces into lines of so many characters; a longer word is cut.
func wrap(text string, width int) []string {
	width = max(width, 12)
	var lines []string
	line := []rune{}
	for _, word := range strings.Fields(text) {
		runes := []rune(word)
		for len(line) > 0 && len(line)+1+len(runes) > width || len(runes) > width {
			if len(line) > 0 {
				lines, line = append(lines, string(line)), line[:0]
				continue
			}
			lines, runes = append(lines, string(runes[:width])), runes[width:]
		}
		if len(line) > 0 {
			line = append(line, ' ')
		}
		line = append(line, runes...)
	}
	return append(lines, string(line))
}
