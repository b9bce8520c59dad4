package report

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// slowestShown is how many of the slowest claims the summary names.
const slowestShown = 3

// columns of the summary's table.
func columns() []Verdict { return []Verdict{Pass, Fail, Broken, Unsupported} }

func (p *Printer) summary(closing Closing) []string {
	var stories []string
	for _, key := range p.order {
		if story := storyOf(key.id); !slices.Contains(stories, story) {
			stories = append(stories, story)
		}
	}
	undecided := len(p.order) - len(p.results)

	head := fmt.Sprintf("%-16s", "story")
	for _, v := range columns() {
		head += fmt.Sprintf("%*s", len(v)+3, v)
	}
	if undecided > 0 {
		head += "   not decided"
	}
	lines := []string{"", head}
	for _, story := range stories {
		lines = append(lines, p.row(story, story, undecided > 0))
	}
	lines = append(lines, p.row("all", "", undecided > 0), "")

	if slowest := p.slowest(); slowest != "" {
		lines = append(lines, "slowest  "+slowest)
	}
	if closing.Folder != "" {
		captures := 0
		for _, result := range p.results {
			captures += len(result.Pcapng)
		}
		lines = append(lines, fmt.Sprintf("results  %s, results.json, junit.xml, %s",
			filepath.Join(closing.Folder, "report.html"), plural(captures, "capture", "captures")))
	}
	return append(lines, p.outcome(closing, undecided))
}

// row is a line of the table; a zero is a dash, so that what is not zero stands out.
func (p *Printer) row(name, story string, withUndecided bool) string {
	counts := p.counts(story)
	cell := func(n, width int) string {
		if n == 0 {
			return fmt.Sprintf("%*s", width, "-")
		}
		return fmt.Sprintf("%*d", width, n)
	}
	line := fmt.Sprintf("%-16s", name)
	decided := 0
	for _, v := range columns() {
		decided += counts[v]
		text := cell(counts[v], len(v)+3)
		if counts[v] > 0 {
			text = p.paint(v, text)
		}
		line += text
	}
	if withUndecided {
		planned := 0
		for _, key := range p.order {
			if story == "" || storyOf(key.id) == story {
				planned++
			}
		}
		line += cell(planned-decided, len("not decided")+3)
	}
	return line
}

func (p *Printer) slowest() string {
	var results []Result
	for _, key := range p.order {
		if result, decided := p.results[key]; decided {
			results = append(results, result)
		}
	}
	slices.SortStableFunc(results, func(a, b Result) int { return cmp.Compare(b.Seconds, a.Seconds) })
	var named []string
	for _, result := range results[:min(len(results), slowestShown)] {
		named = append(named, fmt.Sprintf("%s IPv%d %s", result.ID, result.Family, saySeconds(result.Seconds)))
	}
	return strings.Join(named, ", ")
}

// failed counts the claims that failed, over one family or both.
func (p *Printer) failed() int {
	ids := map[string]bool{}
	for key, result := range p.results {
		if result.Verdict == Fail {
			ids[key.id] = true
		}
	}
	return len(ids)
}

// outcome is the last line, the run in one sentence.
func (p *Printer) outcome(closing Closing, undecided int) string {
	counts := p.counts("")
	took := " in " + saySeconds(closing.Seconds)
	tally := tally(slices.Collect(maps.Values(p.results))) + took
	switch {
	case undecided > 0:
		return fmt.Sprintf("%s: %s, %d not decided", p.paint(Broken, "the run is incomplete"), tally, undecided)
	case counts[Fail] > 0:
		return fmt.Sprintf("%s: %s", p.paint(Fail, "this kernel breaks "+plural(p.failed(), "claim", "claims")), tally)
	case counts[Broken] > 0:
		return fmt.Sprintf("%s: %s", p.paint(Broken, "the stage broke, which says nothing of the kernel"), tally)
	case len(p.order) == 0:
		return "no claim was to be decided" + took
	}
	return fmt.Sprintf("%s: %s", p.paint(Pass, "every claim holds or is unsupported"), tally)
}
