package compare

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/differ"
	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/report"
)

// Schema names the shape of a comparison in JSON, which fixtures/comparison.schema.json describes.
const Schema = "halfopen.comparison/v1"

// Comparison is what two sides have in common and what they have not.
type Comparison struct {
	Schema      string    `json:"schema"`
	Old         Kernel    `json:"old"`
	New         Kernel    `json:"new"`
	Rule        string    `json:"rule"`         // what counts as a change
	Cautions    []string  `json:"cautions"`     // what limits the comparison
	Compared    int       `json:"compared"`     // verdicts that both sides have, a claim over a family each
	Changes     []Change  `json:"changes"`      // of behaviour
	Variations  []Change  `json:"variations"`   // what moved and may have in two runs of one kernel: see Variation
	Settings    []Setting `json:"settings"`     // the kernels' own values that are not the same
	NotCompared []Gap     `json:"not_compared"` // what one side alone says something of
	Releases    []Note    `json:"releases"`     // what the releases between them changed, as far as it is known
}

// Kernel is one side.
type Kernel struct {
	Label    string   `json:"label"`
	Short    string   `json:"short"` // what sentences call it
	Name     string   `json:"name"`  // debian:6.12; empty for one that was running
	Release  string   `json:"release"`
	HZ       int      `json:"hz"`
	Clock    string   `json:"clock"`
	Profile  string   `json:"profile"`
	Seeds    []uint64 `json:"seeds"` // of the runs in guests
	Runs     int      `json:"runs"`
	Halfopen []string `json:"halfopen"` // the versions of the programs that ran it, as far as they are known
}

// Kind is what sort of change it is.
type Kind string

// The kinds of changes.
const (
	Appeared  Kind = "appeared"  // a feature that OLD lacks
	Went      Kind = "went"      // a feature that NEW lacks
	Broke     Kind = "broke"     // NEW fails what OLD did not
	Kept      Kind = "kept"      // NEW does what OLD failed
	Behaviour Kind = "behaviour" // the verdict is the same, and what was observed is not
	Variation Kind = "variation" // so it is, but late timers or the moment of the fault move it as well
)

// Change is a claim about which the sides differ.
type Change struct {
	Claim    string         `json:"claim"`
	Text     string         `json:"text"` // the claim; empty if the catalogue has it no more
	Families []int          `json:"families"`
	Kind     Kind           `json:"kind"`
	Old      report.Verdict `json:"old"`
	New      report.Verdict `json:"new"`
	Moved    []Moved        `json:"moved"`
	Meaning  []string       `json:"meaning"`  // for an application, the weightiest first
	Expected []string       `json:"expected"` // what the catalogue expects of the releases, where that differs
	Reason   string         `json:"reason"`   // why NEW, or else OLD, is not a pass
	Releases []int          `json:"releases"` // the notes that explain it, by their place in Comparison.Releases
}

// Moved is an observation that is not the same.
type Moved struct {
	Name    string         `json:"name"`  // of the registry, or as it was recorded
	Cases   []string       `json:"cases"` // the cases and families in which it moved; empty for all
	Old     string         `json:"old"`   // as people read it; empty if OLD has none
	New     string         `json:"new"`
	Bearing report.Bearing `json:"bearing"`
	Meaning string         `json:"meaning"`
}

// Setting is a sysctl of a new network namespace; an empty value is one that the kernel does not have.
type Setting struct {
	Name string `json:"name"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// Gap is why some claims were not compared.
type Gap struct {
	Why    string   `json:"why"`
	Broken bool     `json:"broken"` // a stage broke, so nothing is known where something should be
	Claims []string `json:"claims"`
}

// Note is a release's change.
type Note struct {
	Since   string   `json:"since"` // major.minor; empty for a change of point releases
	Change  string   `json:"change"`
	Sources []string `json:"sources"`
	Shown   bool     `json:"shown"` // some change is explained by it
}

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

// ExitCode is the command's: 1 if a behaviour changed, else 2 if a broken stage or an interrupted run leaves
// that open, else 0.
func (c Comparison) ExitCode() int {
	switch {
	case len(c.Changes) > 0:
		return 1
	case slices.ContainsFunc(c.NotCompared, func(g Gap) bool { return g.Broken }):
		return 2
	}
	return 0
}

// JSON renders the comparison: indented, keys in a fixed order, a newline at the end.
func (c Comparison) JSON() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(c); err != nil {
		return nil, fmt.Errorf("the comparison could not be written as JSON: %w", err)
	}
	return out.Bytes(), nil
}

func summary(s Side) Kernel {
	k := s.kernel()
	made := Kernel{
		Label: s.Label, Name: k.Name, Release: k.Release, HZ: k.HZ, Clock: s.clock(), Profile: s.profile(),
		Runs: len(s.Runs), Seeds: []uint64{}, Halfopen: []string{},
	}
	for _, run := range s.Runs {
		if run.Seed != 0 && !slices.Contains(made.Seeds, run.Seed) {
			made.Seeds = append(made.Seeds, run.Seed)
		}
		if run.Halfopen != "" && !slices.Contains(made.Halfopen, run.Halfopen) {
			made.Halfopen = append(made.Halfopen, run.Halfopen)
		}
	}
	return made
}

// settings are the kernels' own values that are not the same; none if a side did not record them.
func settings(before, after report.Kernel) []Setting {
	found := []Setting{}
	if before.Sysctls == nil || after.Sysctls == nil {
		return found
	}
	all := maps.Clone(before.Sysctls)
	maps.Copy(all, after.Sysctls)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if before.Sysctls[name] != after.Sysctls[name] {
			found = append(found, Setting{name, before.Sysctls[name], after.Sysctls[name]})
		}
	}
	return found
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

// movedOf joins the observations that moved over families and cases, the weightiest first.
func (c *comparer) movedOf(group []difference) []Moved {
	type place struct {
		which  string
		family int
	}
	type both struct {
		had, has    []report.Value
		where       []place // in which it moved
		apart, away float64 // the longest way that a number moved, and its direction
	}
	joined := map[string]*both{}
	possible := map[string]int{}
	for _, d := range group {
		for _, name := range allNames(d) {
			_, base := caseOf(name)
			possible[base]++
		}
		for _, name := range d.moved {
			which, base := caseOf(name)
			if joined[base] == nil {
				joined[base] = &both{}
			}
			j := joined[base]
			had, has := differ.Values(d.had, name), differ.Values(d.has, name)
			j.had, j.has, j.where = append(j.had, had...), append(j.has, has...), append(j.where, place{which, d.at.family})
			if way := middle(has) - middle(had); math.Abs(way) > j.apart {
				j.apart, j.away = math.Abs(way), way
			}
		}
	}
	all := []Moved{}
	for base, j := range joined {
		quantity, _ := report.Lookup(base)
		moved := Moved{Name: base, Cases: []string{}, Old: report.Say(j.had), New: report.Say(j.has), Bearing: quantity.Bearing()}
		if len(j.where) < possible[base] {
			for _, in := range j.where {
				over := fmt.Sprintf("over IPv%d", in.family)
				if len(group) == 1 || slices.ContainsFunc(j.where, func(other place) bool { return other.which == in.which && other != in }) {
					over = "" // as over the other family
				}
				moved.Cases = include(moved.Cases, strings.TrimSpace(in.which+" "+over))
			}
		}
		moved.Meaning = meaningOf(quantity, moved, j.away)
		all = append(all, moved)
	}
	slices.SortFunc(all, func(a, b Moved) int {
		return cmp.Or(cmp.Compare(weight(a.Bearing), weight(b.Bearing)), cmp.Compare(rank(a.Name), rank(b.Name)), strings.Compare(a.Name, b.Name))
	})
	return all
}

// weight is a bearing's place among all.
func weight(b report.Bearing) int { return slices.Index(report.Bearings(), b) }

// rank is a quantity's place in the registry.
func rank(name string) int {
	return slices.IndexFunc(report.Quantities(), func(q report.Quantity) bool { return q.Name == name })
}

// allNames are the observations that either side of a difference has.
func allNames(d difference) []string {
	names := map[string]bool{}
	for _, o := range slices.Concat(d.had, d.has) {
		for name := range o.Observations {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// caseOf splits CASE.NAME.
func caseOf(name string) (which, base string) {
	if at := strings.LastIndexByte(name, '.'); at >= 0 {
		return strings.ReplaceAll(name[:at], "_", " "), name[at+1:]
	}
	return "", name
}

// middle is halfway between the least and the greatest of some numbers; 0 for names.
func middle(values []report.Value) float64 {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		switch n := v.Value.(type) {
		case int:
			low, high = min(low, float64(n)), max(high, float64(n))
		case float64:
			low, high = min(low, n), max(high, n)
		}
	}
	if low > high {
		return 0
	}
	return (low + high) / 2
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
