package compare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

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
