package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/halfopen/halfopen/harness/internal/wrap"
)

const (
	labelWidth  = 10 // of what stands before a line's text
	claimsShown = 6  // of a gap
)

// Text renders the comparison for a terminal that is so many columns wide (0: as many as read well).
func (c Comparison) Text(width int, color bool) string {
	t := text{c: c, width: wrap.Width(width), color: color}
	t.line("%-4s %s", "OLD", c.Old.sentence())
	t.line("%-4s %s", "NEW", c.New.sentence())
	t.hang("     ", c.Rule)
	for _, caution := range c.Cautions {
		t.hang("     ", "Note: "+caution+".")
	}
	t.line("")
	t.painted(headColor(c), "", c.Headline())
	for _, change := range c.Changes {
		t.line("")
		t.change(change)
	}
	t.variations()
	t.settings()
	t.gaps()
	t.releases()
	return t.out.String()
}

// Headline is the comparison in a sentence.
func (c Comparison) Headline() string {
	claims, counts := map[string]bool{}, map[Kind]map[string]bool{}
	for _, change := range c.Changes {
		claims[change.Claim] = true
		if counts[change.Kind] == nil {
			counts[change.Kind] = map[string]bool{}
		}
		counts[change.Kind][change.Claim] = true
	}
	if len(claims) == 0 {
		return fmt.Sprintf("nothing changed in %s and what was observed with them", count(c.Compared, "verdict"))
	}
	var parts []string
	for _, kind := range []struct {
		Kind
		say string
	}{
		{Broke, "not kept any more"}, {Kept, "kept now"}, {Went, "without their feature now"}, {Appeared, "with a feature that is new"},
		{Behaviour, "kept in another way"},
	} {
		if n := len(counts[kind.Kind]); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, kind.say))
		}
	}
	return fmt.Sprintf("%s changed: %s; %s compared", count(len(claims), "claim"), strings.Join(parts, ", "), count(c.Compared, "verdict"))
}

// count says a number of something.
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func headColor(c Comparison) string {
	if len(c.Changes) > 0 {
		return "1;36"
	}
	return "32"
}

func (k Kernel) sentence() string {
	name := "Linux " + k.Release
	if k.Name != "" && k.Name != k.Label {
		name += " (" + k.Name + ")"
	}
	said := fmt.Sprintf("%s: %s, HZ %d, %s clock, profile %s", k.Label, name, k.HZ, k.Clock, k.Profile)
	if k.Runs > 1 {
		said += fmt.Sprintf(", %d runs", k.Runs)
	}
	if len(k.Seeds) == 1 {
		said += fmt.Sprintf(", seed %d", k.Seeds[0])
	}
	return said
}

// text is a rendering under way.
type text struct {
	c     Comparison
	width int
	color bool
	out   strings.Builder
}

func (t *text) change(change Change) {
	verdicts := ""
	if change.Old != change.New {
		verdicts = fmt.Sprintf("   %s -> %s", change.Old, change.New)
	}
	t.line("%s", t.paint(kindColor(change.Kind), fmt.Sprintf("%s  %s%s", change.Claim, families(change.Families), verdicts)))
	t.row("claim", change.Text)
	label := "was -> is"
	for _, moved := range change.told() {
		t.row(label, moved.arrow())
		label = ""
	}
	t.row("why", firstLine(change.Reason))
	for _, sentence := range change.Meaning {
		t.row("means", sentence)
	}
	for _, sentence := range change.Expected {
		t.row("expected", sentence+".")
	}
	if t.c.Old.Release == t.c.New.Release {
		return
	}
	for _, at := range change.Releases {
		t.row("release", fmt.Sprintf("[%d]", at+1)+" "+t.c.Releases[at].since())
	}
	if len(change.Releases) == 0 {
		t.row("release", "no change that halfopen knows of explains it: look at this first")
	}
}

// told are the observations that a reader is told: the name of the expectation only where no sentence says
// what is expected.
func (c Change) told() []Moved {
	if len(c.Expected) == 0 {
		return c.Moved
	}
	return slices.DeleteFunc(slices.Clone(c.Moved), func(m Moved) bool { return m.Name == "expected" })
}

// arrow is an observation that moved, in a line.
func (m Moved) arrow() string {
	said := fmt.Sprintf("%s: %s -> %s", m.Name, orNone(m.Old), orNone(m.New))
	if len(m.Cases) > 0 {
		said += " (" + strings.Join(m.Cases, ", ") + ")"
	}
	return said
}

func (n Note) since() string {
	if n.Since == "" {
		return "in point releases"
	}
	return "in " + n.Since
}

func (t *text) variations() {
	if len(t.c.Variations) == 0 {
		return
	}
	t.line("")
	t.hang("", VariationHead)
	for _, change := range t.c.Variations {
		var moved []string
		for _, m := range change.Moved {
			moved = append(moved, m.arrow())
		}
		t.hang("  ", fmt.Sprintf("%s %s  %s", change.Claim, families(change.Families), strings.Join(moved, ", ")))
	}
}

// VariationHead says what the variations are.
const VariationHead = "moved as it may in two runs of one kernel (late timers, what was in flight), and not counted"

func (t *text) settings() {
	if len(t.c.Settings) == 0 {
		return
	}
	t.line("")
	t.line("settings of a new network namespace that are not the same")
	for _, s := range t.c.Settings {
		t.line("  %s: %s -> %s", s.Name, orNone(s.Old), orNone(s.New))
	}
}

func (t *text) gaps() {
	for _, gap := range t.c.NotCompared {
		t.line("")
		t.hang("", fmt.Sprintf("not compared, %s: %s", gap.Why, someOf(gap.Claims)))
	}
}

func (t *text) releases() {
	t.notes("changes of the releases between them", true)
	t.notes("and changes of theirs that nothing compared shows", false)
}

// notes lists the release notes that are shown by some change, with their sources, or those that are not.
func (t *text) notes(head string, shown bool) {
	for i, note := range t.c.Releases {
		if note.Shown != shown {
			continue
		}
		if head != "" {
			t.line("")
			t.line("%s", head)
			head = ""
		}
		mark := fmt.Sprintf("  %4s %-6s ", fmt.Sprintf("[%d]", i+1), note.Since)
		t.hang(mark, note.Change)
		if shown {
			t.hang(strings.Repeat(" ", len(mark)), "Sources: "+strings.Join(note.Sources, "; ")+".")
		}
	}
}

// row is a labelled line; an empty text has none.
func (t *text) row(label, said string) {
	if said != "" {
		t.hang(fmt.Sprintf("    %-*s", labelWidth, label), said)
	}
}

// hang writes a text broken into lines, the first after head and the others under it.
func (t *text) hang(head, said string) { t.painted("", head, said) }

// painted is hang in a colour.
func (t *text) painted(code, head, said string) {
	for _, line := range wrap.Hang(head, said, t.width) {
		t.line("%s", t.paint(code, line))
	}
}

func (t *text) line(format string, args ...any) {
	t.out.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

func (t *text) paint(code, said string) string {
	if !t.color || code == "" {
		return said
	}
	return "\x1b[" + code + "m" + said + "\x1b[0m"
}

func kindColor(k Kind) string {
	if k == Broke {
		return "1;31"
	}
	return "1;36"
}

func families(list []int) string {
	var said []string
	for _, family := range list {
		said = append(said, fmt.Sprintf("IPv%d", family))
	}
	return strings.Join(said, " ")
}

func orNone(said string) string {
	if said == "" {
		return "none"
	}
	return said
}

func firstLine(said string) string {
	line, _, more := strings.Cut(strings.TrimSpace(said), "\n")
	if more {
		line += " ..."
	}
	return line
}

// someOf names a few claims, or of many the stories with their numbers.
func someOf(claims []string) string {
	if len(claims) <= claimsShown {
		return strings.Join(claims, ", ")
	}
	var stories []string
	counts := map[string]int{}
	for _, id := range claims {
		story, _, _ := strings.Cut(id, "/")
		stories = include(stories, story)
		counts[story]++
	}
	for i, story := range stories {
		stories[i] = fmt.Sprintf("%d of %s", counts[story], story)
	}
	return fmt.Sprintf("%d claims, %s", len(claims), strings.Join(stories, ", "))
}
