package compare

import (
	"fmt"
	"strings"
)

// Markdown renders the comparison for a CI job's summary.
func (c Comparison) Markdown() string {
	var out strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	line("### %s compared with %s\n", cell(c.New.Label), cell(c.Old.Label))
	line("**%s**\n", c.Headline())
	line("- OLD: %s\n- NEW: %s\n- %s", cell(c.Old.sentence()), cell(c.New.sentence()), c.Rule)
	for _, caution := range c.Cautions {
		line("- Note: %s.", caution)
	}
	if len(c.Changes) > 0 {
		line("\n| claim | over | was | is | what it means | release |\n| --- | --- | --- | --- | --- | --- |")
		for _, change := range c.Changes {
			line("%s", c.row(change))
		}
	}
	if len(c.Variations) > 0 {
		line("\n<details><summary>%d %s</summary>\n", len(c.Variations), VariationHead)
		for _, change := range c.Variations {
			var moved []string
			for _, m := range change.Moved {
				moved = append(moved, m.arrow())
			}
			line("- %s %s: %s", change.Claim, families(change.Families), strings.Join(moved, ", "))
		}
		line("\n</details>")
	}
	if len(c.Settings) > 0 {
		line("\n| setting of a new network namespace | was | is |\n| --- | --- | --- |")
		for _, s := range c.Settings {
			line("| %s | %s | %s |", s.Name, cell(orNone(s.Old)), cell(orNone(s.New)))
		}
	}
	for _, gap := range c.NotCompared {
		line("\nNot compared, %s: %s.", gap.Why, someOf(gap.Claims))
	}
	if len(c.Releases) > 0 {
		line("\nChanges of the releases between them:\n")
		for i, note := range c.Releases {
			said := note.Change
			if !note.Shown {
				said += " (Nothing that was compared shows it.)"
			}
			line("%d. **%s**: %s Sources: %s.", i+1, orPoint(note.Since), cell(said), cell(strings.Join(note.Sources, "; ")))
		}
	}
	return out.String()
}

// row is a change in a line of the table.
func (c Comparison) row(change Change) string {
	was, is := string(change.Old), string(change.New)
	if moved := change.told(); len(moved) > 0 {
		var old, new []string
		for _, moved := range moved {
			name := moved.Name
			if len(moved.Cases) > 0 {
				name += " (" + strings.Join(moved.Cases, ", ") + ")"
			}
			old, new = append(old, name+": "+orNone(moved.Old)), append(new, name+": "+orNone(moved.New))
		}
		was, is = strings.Join(old, "<br>"), strings.Join(new, "<br>")
	}
	said := append([]string{}, change.Meaning...)
	for _, sentence := range change.Expected {
		said = append(said, sentence+".")
	}
	if why := firstLine(change.Reason); why != "" {
		said = append(said, "Why: "+why)
	}
	var notes []string
	for _, at := range change.Releases {
		notes = append(notes, orPoint(c.Releases[at].Since))
	}
	if len(notes) == 0 && c.Old.Release != c.New.Release {
		notes = []string{"unexplained"}
	}
	return fmt.Sprintf("| **%s**: %s | %s | %s | %s | %s | %s |", change.Claim, cell(strings.TrimSuffix(change.Text, ".")), families(change.Families),
		cell(was), cell(is), cell(strings.Join(said, " ")), strings.Join(notes, ", "))
}

func orPoint(since string) string {
	if since == "" {
		return "point releases"
	}
	return since
}

// cell keeps a text from ending its cell of a table.
func cell(said string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(said)
}
