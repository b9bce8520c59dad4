// Package explain tells all that is known of one claim: where it is written, how it is staged, what must make
// it fail, what is expected of which release, and what other kernels did (package baseline).
package explain

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/halfopen/halfopen/harness/baseline"
	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/internal/wrap"
	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/report"
)

// Spec is a spec that proves a claim, over one family or both.
type Spec struct {
	Text     string // its sentence, without the story and the family
	Case     string // empty if the claim has one spec
	Families []int
}

// Explanation is what is told, in order.
type Explanation struct {
	Head  string
	Claim string
	Rows  []Row
}

// Row is a label with its lines; a line of two parts, LEFT and RIGHT, stands in two columns.
type Row struct {
	Label string
	Lines []Line
}

// Line is a text, or a name and what it means.
type Line struct{ Left, Right string }

// kernelSource begins a source that is a function of the kernel.
const kernelSource = "kernel "

// Of explains a claim. Kernels are the baselines of others, the oldest first; there may be none.
func Of(catalogue *claim.Catalogue, proved claim.Claim, specs []Spec, kernels []baseline.Baseline) (Explanation, error) {
	requirements, err := catalogue.Requirements()
	if err != nil {
		return Explanation{}, err
	}
	releases, err := catalogue.Releases()
	if err != nil {
		return Explanation{}, err
	}
	b := builder{catalogue: catalogue, proved: proved, requirements: requirements}
	b.explanation.Head, b.explanation.Claim = proved.ID, proved.Text
	b.row("level", plain(levelOf(proved.Level))...)
	b.row("story", plain(b.story())...)
	b.sources()
	b.row("departs", b.departs()...)
	b.row("needs", b.needs()...)
	b.row("staged", staged(specs)...)
	b.row("must fail", b.sabotages()...)
	b.row("expected", expectations(proved)...)
	b.row("releases", notes(proved, releases)...)
	b.row("kernels", measured(proved, kernels)...)
	b.row("prove it", plain(prove(proved))...)
	return b.explanation, nil
}

type builder struct {
	catalogue    *claim.Catalogue
	proved       claim.Claim
	requirements []claim.Requirement
	explanation  Explanation
}

// row adds a row; one without lines is left out.
func (b *builder) row(label string, lines ...Line) {
	if len(lines) > 0 {
		b.explanation.Rows = append(b.explanation.Rows, Row{label, lines})
	}
}

func plain(text string) []Line {
	if text == "" {
		return nil
	}
	return []Line{{Right: text}}
}

func levelOf(level string) string {
	switch level {
	case "MUST", "SHOULD", "MAY":
		return level + ", a requirement of an RFC"
	case "kernel-documented":
		return level + ", said by the kernel's documentation, a manual page or its own tests"
	}
	return level + ", found in the kernel's source or by measurement, and promised by nobody"
}

func (b *builder) story() string {
	for _, story := range b.catalogue.Stories() {
		if story.Name == b.proved.Story {
			return story.Name + ", " + story.Title
		}
	}
	return b.proved.Story
}

// sources are where it is written, with the text of a requirement, and apart from them the functions of the
// kernel that do it.
func (b *builder) sources() {
	var written, functions []Line
	for _, source := range b.proved.Sources {
		if function, isKernel := strings.CutPrefix(source, kernelSource); isKernel {
			functions = append(functions, Line{Right: function})
			continue
		}
		written = append(written, Line{Left: source, Right: b.requirement(source)})
	}
	b.row("written", written...)
	b.row("kernel", functions...)
}

// requirement is the text of a requirement of RFC 9293; empty for another source.
func (b *builder) requirement(source string) string {
	for _, r := range b.requirements {
		if r.Source() == source {
			return r.Text
		}
	}
	return ""
}

func (b *builder) departs() []Line {
	var lines []Line
	for _, source := range b.proved.Departs {
		lines = append(lines, Line{source, b.requirement(source)})
	}
	return lines
}

func (b *builder) needs() []Line {
	var lines []Line
	if name := b.proved.Feature; name != "" {
		what, since := name, b.proved.Since
		if f, err := kernel.FeatureNamed(name); err == nil {
			what = f.What
			if f.How != "" {
				what += ", which takes " + f.How
			}
		}
		if since != "" {
			what += ", in kernels since " + since
		}
		lines = append(lines, Line{Right: what + "; without it the claim is unsupported"})
	}
	if b.proved.Program != "" {
		lines = append(lines, Line{Right: b.proved.Program + " installed on the machine; without it the claim is unsupported"})
	}
	if b.proved.Profile != "" {
		lines = append(lines, Line{Right: "the profile " + b.proved.Profile + ", the only one it is run in"})
	}
	if b.proved.Machines {
		lines = append(lines, Line{Right: "machines for hosts, each with a kernel of its own"})
	}
	return lines
}

func staged(specs []Spec) []Line {
	var lines []Line
	for _, s := range specs {
		text := s.Text
		if s.Case != "" {
			text = fmt.Sprintf("[%s] %s", s.Case, text)
		}
		if len(s.Families) == 1 {
			text += fmt.Sprintf(" (over IPv%d alone)", s.Families[0])
		}
		lines = append(lines, Line{Right: text})
	}
	return lines
}

func (b *builder) sabotages() []Line {
	meanings := b.catalogue.Sabotages()
	var lines []Line
	for _, name := range b.proved.Sabotage {
		lines = append(lines, Line{name, meanings[name]})
	}
	return lines
}

func expectations(proved claim.Claim) []Line {
	var lines []Line
	for i, e := range proved.Expects {
		when := "since " + e.Since
		if e.Since == "" {
			when = "before " + proved.Expects[i+1].Since
		}
		lines = append(lines, Line{when, e.Text})
	}
	return lines
}

func notes(proved claim.Claim, releases []claim.Release) []Line {
	var lines []Line
	for _, r := range releases {
		if slices.Contains(r.Claims, proved.ID) || proved.Feature != "" && slices.Contains(r.Features, proved.Feature) {
			since := r.Since
			if since == "" {
				since = "some"
			}
			lines = append(lines, Line{since, r.Change + " Sources: " + strings.Join(r.Sources, "; ") + "."})
		}
	}
	return lines
}

// measured is what other kernels did, a line each, or two where the families differ.
func measured(proved claim.Claim, kernels []baseline.Baseline) []Line {
	if len(kernels) == 0 {
		return plain("this program carries no baseline of another kernel, so nothing is known here of what others do; `halfopen matrix " + proved.ID + "` asks them")
	}
	var lines []Line
	for _, b := range kernels {
		var said []string
		var of []string
		for _, verdict := range b.Claims {
			if verdict.ID != proved.ID {
				continue
			}
			text := string(verdict.Verdict)
			if headline := headline(verdict); headline != "" {
				text += ", " + headline
			}
			of, said = append(of, fmt.Sprintf("IPv%d", verdict.Family)), append(said, text)
		}
		switch {
		case len(said) == 0:
			lines = append(lines, Line{b.Name, "not run"})
		case len(slices.Compact(slices.Clone(said))) == 1:
			lines = append(lines, Line{b.Name, said[0]})
		default:
			for i := range said {
				lines = append(lines, Line{b.Name + " " + of[i], said[i]})
			}
		}
	}
	return lines
}

// headline is the most telling of what was observed.
func headline(v baseline.Verdict) string {
	var spec report.SpecResult
	for name, value := range v.Observations {
		base := name[strings.LastIndexByte(name, '.')+1:]
		if base == "expected" {
			continue // a row of its own says it of each release
		}
		spec.Observations = append(spec.Observations, report.Observation{Name: base, Value: value.Value, Unit: value.Unit})
	}
	slices.SortFunc(spec.Observations, func(a, b report.Observation) int {
		return strings.Compare(a.Name+fmt.Sprint(a.Value), b.Name+fmt.Sprint(b.Value))
	})
	text, _ := report.Headline([]report.SpecResult{spec})
	return text
}

// Command is what proves a claim: "halfopen run STORY/NAME".
func Command(proved claim.Claim) string {
	command := "halfopen run " + proved.ID
	if proved.Machines {
		command = "halfopen pairs " + proved.ID
	}
	if proved.Profile == "defaults" {
		// On the wall clock it takes as long as the kernel's timeouts do.
		command += " --kernel debian:6.12"
	}
	return command
}

func prove(proved claim.Claim) string {
	command := Command(proved)
	if len(proved.Sabotage) > 0 {
		command += ", and with --sabotage " + proved.Sabotage[0] + " see it fail"
	}
	return command
}

const (
	labelWidth = 11
	widestLeft = 30
)

// Text lays the explanation out for a terminal that is so many columns wide (0: as many as read well).
func (e Explanation) Text(width int) string {
	width = wrap.Width(width)
	var out strings.Builder
	hang := func(head, said string) {
		out.WriteString(strings.Join(wrap.Hang(head, said, width), "\n") + "\n")
	}
	out.WriteString(e.Head + "\n")
	hang("    ", e.Claim)
	for _, row := range e.Rows {
		out.WriteString("\n")
		left := 0
		for _, line := range row.Lines {
			left = max(left, min(utf8.RuneCountInString(line.Left), widestLeft))
		}
		label := row.Label
		for _, line := range row.Lines {
			head := fmt.Sprintf("%-*s", labelWidth, label)
			if left > 0 {
				head += fmt.Sprintf("%-*s  ", left, line.Left)
			}
			hang(head, line.Right)
			label = ""
		}
	}
	return out.String()
}
