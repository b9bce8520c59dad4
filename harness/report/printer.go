package report

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/halfopen/halfopen/harness/claim"
)

// redrawEvery is the shortest time between two redraws of a terminal: ten a second at most, so
// that the specs and not the terminal get the processor.
const redrawEvery = 100 * time.Millisecond

// Planned says how many specs will decide a claim over a family.
type Planned struct {
	Claim  claim.Claim
	Family int
	Specs  int
}

// Closing is what the summary must be told.
type Closing struct {
	Folder  string  // where results.json, junit.xml and the captures lie
	Seconds float64 // how long the run took
}

// Printer writes a run for people: one line per claim and family as it is decided, on a terminal
// with a progress line under them, and a summary. It may be used by many goroutines. What cannot
// be written is lost: the results' files are what counts.
type Printer struct {
	// Folder is where the captures lie, so that a failure can name one as it is opened. Set it
	// before Begin.
	Folder string

	w     io.Writer
	tty   bool
	width func() int
	color bool
	now   func() time.Time

	mu       sync.Mutex
	began    time.Time
	planned  map[decision]Planned
	order    []decision
	specs    map[decision][]SpecResult
	results  map[decision]Result
	running  []string
	idColumn int             // the longest ID
	pending  strings.Builder // lines a terminal has not been shown yet
	drawn    time.Time
	redraw   *time.Timer
	tick     *time.Timer
	finished bool
}

// decision is what a line is about.
type decision struct {
	id     string
	family int
}

// New makes a printer. On a terminal (tty) width is asked for the columns at every redraw.
func New(w io.Writer, tty bool, width func() int, color bool) *Printer {
	return &Printer{
		w: w, tty: tty, width: width, color: color, now: time.Now,
		planned: map[decision]Planned{}, specs: map[decision][]SpecResult{}, results: map[decision]Result{},
	}
}

// Terminal tells New about a file: whether it is a terminal, its columns, and whether colour is
// wanted (a terminal, not a dumb one, and no NO_COLOR, https://no-color.org).
func Terminal(f *os.File) (tty bool, width func() int, color bool) {
	fd := int(f.Fd())
	tty = term.IsTerminal(fd) && os.Getenv("TERM") != "dumb"
	width = func() int {
		columns, _, err := term.GetSize(fd)
		if err != nil || columns <= 0 {
			return 80
		}
		return columns
	}
	return tty, width, tty && os.Getenv("NO_COLOR") == ""
}

// Begin prints the head, one line on what is about to be run, and learns what will be decided.
func (p *Printer) Begin(head string, plan []Planned) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began = p.now()
	for _, planned := range plan {
		key := decision{planned.Claim.ID, planned.Family}
		p.planned[key] = planned
		p.order = append(p.order, key)
		p.idColumn = max(p.idColumn, len(planned.Claim.ID))
	}
	p.print(head)
	p.print("")
	p.show()
	if p.tty {
		p.tick = time.AfterFunc(time.Second, p.everySecond)
	}
}

// everySecond keeps the clock of a terminal's progress line going where nothing is decided for long.
func (p *Printer) everySecond() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.finished {
		p.draw()
		p.tick.Reset(time.Second)
	}
}

// Start tells that a spec is running now; title is its SpecResult's Title.
func (p *Printer) Start(title string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = append(p.running, title)
	p.show()
}

// Done tells that a spec is decided; the last spec of a claim over a family prints its line.
func (p *Printer) Done(spec SpecResult) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.running, spec.Title()); i >= 0 {
		p.running = slices.Delete(p.running, i, i+1)
	}
	key := decision{spec.Claim, spec.Family}
	p.specs[key] = append(p.specs[key], spec)
	if planned, known := p.planned[key]; known && len(p.specs[key]) == planned.Specs {
		p.decide(planned, p.specs[key])
	}
	p.show()
}

// decide prints a claim's line and, unless it holds, what there is to know of every spec that did
// not pass.
func (p *Printer) decide(planned Planned, specs []SpecResult) {
	result := Merge(specs)
	p.results[decision{planned.Claim.ID, planned.Family}] = result

	head := fmt.Sprintf("%-6s  %s", result.Verdict, result.ID)
	said := phrases(specs)
	switch {
	case result.Verdict != Pass:
		said = oneLine(result.Reason)
	case len(specs) > 1 && said != "":
		said += fmt.Sprintf(" (%d cases)", len(specs))
	case len(specs) > 1:
		said = fmt.Sprintf("(%d cases)", len(specs))
	}
	line := fmt.Sprintf("%-*s  IPv%d  %6s  %s", 8+p.idColumn, head, result.Family, saySeconds(result.Seconds), said)
	p.print(p.paint(result.Verdict, string(result.Verdict)) + strings.TrimPrefix(strings.TrimRight(line, " "), string(result.Verdict)))

	if result.Verdict != Fail && result.Verdict != Broken {
		return
	}
	for _, spec := range specs {
		if spec.Verdict != Fail && spec.Verdict != Broken {
			continue
		}
		for _, line := range details(planned.Claim, inFolder(spec, p.Folder)) {
			p.print("        " + line)
		}
		p.print("")
	}
}

// inFolder names a spec's capture so that it can be opened.
func inFolder(spec SpecResult, folder string) SpecResult {
	if spec.Pcapng != "" {
		spec.Pcapng = filepath.Join(folder, spec.Pcapng)
	}
	return spec
}

// Remark prints a line after the summary.
func (p *Printer) Remark(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(p.w, text+"\n")
}

// Finish prints the summary: counts by story, the slowest, where the results lie, and one
// sentence on the outcome. Nothing but remarks may be told to the printer afterwards.
func (p *Printer) Finish(closing Closing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.redraw != nil {
		p.redraw.Stop()
	}
	p.running = nil
	for _, line := range p.summary(closing) {
		p.print(line)
	}
	p.finished = true
	p.draw()
}

// print adds a line: at once where there is no terminal, at the next redraw where there is one.
func (p *Printer) print(line string) {
	if p.tty {
		p.pending.WriteString(line + "\n")
		return
	}
	_, _ = io.WriteString(p.w, line+"\n")
}

// show redraws a terminal now, or once redrawEvery is over since the last time.
func (p *Printer) show() {
	if !p.tty || p.finished {
		return
	}
	wait := redrawEvery - p.now().Sub(p.drawn)
	switch {
	case wait <= 0:
		p.draw()
	case p.redraw == nil:
		p.redraw = time.AfterFunc(wait, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.redraw != nil && !p.finished {
				p.draw()
			}
		})
	}
}

// draw erases the progress line, writes what is pending and a new progress line, in one write so
// that nothing flickers.
func (p *Printer) draw() {
	if !p.tty {
		return
	}
	if p.redraw != nil {
		p.redraw.Stop()
		p.redraw = nil
	}
	p.drawn = p.now()
	frame := "\r\x1b[K" + p.pending.String()
	p.pending.Reset()
	if !p.finished {
		// One column less than there are: a full line would wrap and could not be erased.
		frame += cut(p.progress(), p.width()-1)
	}
	_, _ = io.WriteString(p.w, frame)
}

func (p *Printer) progress() string {
	counts := p.counts("")
	text := fmt.Sprintf("%d/%d decided", len(p.results), len(p.order))
	for _, v := range []Verdict{Fail, Broken} {
		if counts[v] > 0 {
			text += fmt.Sprintf(", %d %s", counts[v], v)
		}
	}
	text += "  " + fmt.Sprintf("%.1f s", p.now().Sub(p.began).Seconds())
	if len(p.running) > 0 {
		text += fmt.Sprintf("  %d running: %s", len(p.running), strings.Join(p.running, ", "))
	}
	return text
}

// counts gives the decided claims of a story by verdict, of all stories for "".
func (p *Printer) counts(story string) map[Verdict]int {
	counts := map[Verdict]int{}
	for key, result := range p.results {
		if story == "" || storyOf(key.id) == story {
			counts[result.Verdict]++
		}
	}
	return counts
}

func (p *Printer) paint(v Verdict, text string) string {
	colors := map[Verdict]string{Pass: "32", Fail: "1;31", Broken: "1;35", Unsupported: "33"}
	if !p.color {
		return text
	}
	return "\x1b[" + colors[v] + "m" + text + "\x1b[0m"
}
