package compare

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/differ"
	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/report"
)

// ErrNothingInCommon is Of's for sides that share no claim over a family.
var ErrNothingInCommon = errors.New("OLD and NEW have no claim in common")

// Of compares two sides. Claims that only narrows are left out; it may be nil.
func Of(catalogue *claim.Catalogue, before, after Side, only func(id string) bool) (Comparison, error) {
	releases, err := catalogue.Releases()
	if err != nil {
		return Comparison{}, err
	}
	y := yardstickOf(before, after)
	c := comparer{catalogue: catalogue, before: before, after: after, yardstick: y, result: Comparison{
		Schema: Schema, Old: summary(before), New: summary(after), Rule: y.sentence, Cautions: append([]string{}, y.cautions...),
		Changes: []Change{}, Variations: []Change{}, NotCompared: []Gap{}, Releases: []Note{}, Settings: settings(before.kernel(), after.kernel()),
	}}
	c.result.Old.Short, c.result.New.Short = names(before, after)
	c.compare(only)
	if c.result.Compared == 0 {
		return c.result, ErrNothingInCommon
	}
	c.explain(releases)
	c.cautionOfVersions()
	return c.result, nil
}

// comparer is a comparison under way.
type comparer struct {
	catalogue     *claim.Catalogue
	before, after Side
	yardstick     yardstick
	result        Comparison
}

func (c *comparer) compare(only func(id string) bool) {
	had, hadBroken := c.before.decided()
	has, hasBroken := c.after.decided()
	keys := map[key]bool{}
	for _, each := range []map[key][]differ.Outcome{had, has} {
		for at := range each {
			keys[at] = true
		}
	}
	for _, each := range []map[key]string{hadBroken, hasBroken} {
		for at := range each {
			keys[at] = true
		}
	}
	var oldAlone, newAlone, broken, uninstalled []string
	found := map[string][]difference{}
	var order []string
	for _, at := range c.ordered(keys) {
		if only != nil && !only(at.id) {
			continue
		}
		old, new := had[at], has[at]
		_, oldBroke := hadBroken[at]
		_, newBroke := hasBroken[at]
		switch {
		case oldBroke || newBroke:
			broken = include(broken, at.id)
			continue
		case len(new) == 0:
			oldAlone = include(oldAlone, at.id)
			continue
		case len(old) == 0:
			newAlone = include(newAlone, at.id)
			continue
		case c.lacksProgram(at.id, old, new):
			uninstalled = include(uninstalled, at.id)
			continue
		}
		c.result.Compared++
		if d, differs := c.differ(at, old, new); differs {
			if found[at.id] == nil {
				order = append(order, at.id)
			}
			found[at.id] = append(found[at.id], d)
		}
	}
	for _, id := range order {
		for _, change := range c.changes(id, found[id]) {
			if change.Kind == Variation {
				c.result.Variations = append(c.result.Variations, change)
				continue
			}
			c.result.Changes = append(c.result.Changes, change)
		}
	}
	gap := func(broken bool, why string, claims []string) {
		if len(claims) > 0 {
			c.result.NotCompared = append(c.result.NotCompared, Gap{Why: why, Broken: broken, Claims: claims})
		}
	}
	gap(true, "a stage broke, which says nothing of the kernel: run them again", broken)
	gap(false, "a program that they need was installed on one side alone", uninstalled)
	gap(!c.after.complete(), "OLD alone has them: nothing is known of them on NEW", oldAlone)
	gap(!c.before.complete(), "NEW alone has them: nothing is known of them on OLD", newAlone)
}

// lacksProgram tells of a claim about a program that one side alone had it: that is no matter of the kernel.
func (c *comparer) lacksProgram(id string, old, new []differ.Outcome) bool {
	proved, _ := c.catalogue.ByID(id)
	return proved.Program != "" && (verdictOf(old) == report.Unsupported) != (verdictOf(new) == report.Unsupported)
}

// ordered are keys in the catalogue's order.
func (c *comparer) ordered(keys map[key]bool) []key {
	return slices.SortedFunc(maps.Keys(keys), func(a, b key) int {
		return cmp.Or(cmp.Compare(c.catalogue.Order(a.id), c.catalogue.Order(b.id)), cmp.Compare(a.id, b.id), cmp.Compare(a.family, b.family))
	})
}

// difference is what is not the same about a claim over one family.
type difference struct {
	at       key
	old, new report.Verdict
	moved    []string // observations; empty if it is the verdict
	had, has []differ.Outcome
}

func (c *comparer) differ(at key, old, new []differ.Outcome) (difference, bool) {
	d := difference{at: at, old: verdictOf(old), new: verdictOf(new), had: old, has: new}
	d.moved = c.yardstick.rule.Differences(c.yardstick.comparable(old), c.yardstick.comparable(new))
	if len(d.moved) == 0 {
		return d, false
	}
	if slices.Contains(d.moved, differ.Verdict) {
		d.moved = nil
	} else {
		// The sides share a verdict, whatever else their runs gave.
		for _, o := range new {
			if slices.ContainsFunc(old, func(b differ.Outcome) bool { return b.Verdict == o.Verdict }) {
				d.old, d.new = o.Verdict, o.Verdict
			}
		}
	}
	return d, true
}

// verdictOf is the worst of several runs.
func verdictOf(outcomes []differ.Outcome) report.Verdict {
	for _, verdict := range report.Verdicts() {
		if slices.ContainsFunc(outcomes, func(o differ.Outcome) bool { return o.Verdict == verdict }) {
			return verdict
		}
	}
	return report.Broken
}

// changes makes one change of the families that changed alike.
func (c *comparer) changes(id string, found []difference) []Change {
	var all []Change
	var of [][]difference
	for _, d := range found {
		at := slices.IndexFunc(of, func(group []difference) bool {
			g := group[0]
			return g.old == d.old && g.new == d.new && (g.moved == nil) == (d.moved == nil)
		})
		if at < 0 {
			of = append(of, nil)
			at = len(of) - 1
		}
		of[at] = append(of[at], d)
	}
	for _, group := range of {
		first := group[0]
		proved, _ := c.catalogue.ByID(id)
		change := Change{
			Claim: id, Text: proved.Text, Old: first.old, New: first.new, Kind: kindOf(first),
			Families: []int{}, Moved: []Moved{}, Meaning: []string{}, Expected: []string{}, Releases: []int{},
		}
		for _, d := range group {
			change.Families = append(change.Families, d.at.family)
			change.Reason = cmp.Or(change.Reason, c.reason(d))
		}
		if first.moved != nil {
			change.Moved = c.movedOf(group)
		}
		change.Expected = c.expected(proved)
		if len(change.Expected) == 0 && c.varies(group) {
			change.Kind = Variation
		}
		change.Meaning = c.meaning(proved, change)
		all = append(all, change)
	}
	return all
}

func (c *comparer) reason(d difference) string {
	switch {
	case d.moved != nil:
		return ""
	case d.new != report.Pass:
		return c.after.reason(d.at, d.new)
	}
	return c.before.reason(d.at, d.old)
}

func kindOf(d difference) Kind {
	switch {
	case d.moved != nil:
		return Behaviour
	case d.old == report.Unsupported && d.new == report.Pass:
		return Appeared
	case d.new == report.Unsupported:
		return Went
	case d.new == report.Fail:
		return Broke
	}
	return Kept
}

// explain attaches what is known of the releases between the kernels, shown or not.
func (c *comparer) explain(releases []claim.Release) {
	a, b := c.before.version(), c.after.version()
	for _, r := range releases {
		if c.before.kernel().Release == c.after.kernel().Release || !r.Between(a, b) {
			continue
		}
		note := Note{Since: r.Since, Change: r.Change, Sources: r.Sources}
		var explained []int
		for i, change := range c.result.Changes {
			proved, _ := c.catalogue.ByID(change.Claim)
			if slices.Contains(r.Claims, change.Claim) || proved.Feature != "" && slices.Contains(r.Features, proved.Feature) {
				explained = append(explained, i)
			}
		}
		// What point releases changed is worth a word only where it shows.
		if note.Shown = len(explained) > 0; !note.Shown && r.Since == "" {
			continue
		}
		for _, i := range explained {
			c.result.Changes[i].Releases = append(c.result.Changes[i].Releases, len(c.result.Releases))
		}
		c.result.Releases = append(c.result.Releases, note)
	}
}

// cautionOfVersions warns where an observation is on one side alone and another program made it.
func (c *comparer) cautionOfVersions() {
	old, new := c.result.Old.Halfopen, c.result.New.Halfopen
	oneSided := slices.ContainsFunc(c.result.Changes, func(change Change) bool {
		return slices.ContainsFunc(change.Moved, func(m Moved) bool { return m.Old == "" || m.New == "" })
	})
	if oneSided && len(old) > 0 && len(new) > 0 && !slices.Equal(old, new) {
		c.result.Cautions = append(c.result.Cautions, fmt.Sprintf(
			"OLD was made by halfopen %s and NEW by %s: an observation that one side lacks may be theirs and not the kernels'",
			strings.Join(old, ", "), strings.Join(new, ", ")))
	}
}

// feature is what a kernel must have for a claim, to end the sentence "this kernel has no ...".
func feature(proved claim.Claim) string {
	if f, err := kernel.FeatureNamed(proved.Feature); err == nil {
		return f.What
	}
	return proved.Feature
}

func include(list []string, one string) []string {
	if slices.Contains(list, one) {
		return list
	}
	return append(list, one)
}
