package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/halfopen/halfopen/harness/claim"
)

// SpecResult is what one spec proved: one case of one claim over one family.
type SpecResult struct {
	Claim        string        `json:"claim"`          // the claim's ID
	Case         string        `json:"case,omitempty"` // "server breaks"; empty if the claim has one spec only
	Family       int           `json:"family"`         // 4 or 6
	Text         string        `json:"text"`           // the spec's own sentence
	Verdict      Verdict       `json:"verdict"`
	Seconds      float64       `json:"seconds"`
	Observations []Observation `json:"observations,omitempty"`
	Reason       string        `json:"reason,omitempty"`   // unless it passed: expected and seen, the missing feature, what broke; may have several lines
	State        string        `json:"state,omitempty"`    // of the survivor's socket at the end: state, timer
	Packets      []string      `json:"packets,omitempty"`  // unless it passed: the capture, a line a segment or a note; shortened, see Ladder
	Pcapng       string        `json:"pcapng,omitempty"`   // the capture's file, relative to the results' folder
	Location     string        `json:"location,omitempty"` // FILE:LINE of the spec or of the failed expectation
	Rerun        string        `json:"rerun,omitempty"`    // the one command that runs just this spec again
	Output       string        `json:"output,omitempty"`   // what the spec logged
}

// Title names the spec as people read it: claim, family, case.
func (s SpecResult) Title() string {
	title := fmt.Sprintf("%s IPv%d", s.Claim, s.Family)
	if s.Case != "" {
		title += " " + s.Case
	}
	return title
}

// Merge makes the one result of a claim over a family from all its specs: the worst verdict, the
// longest time, the observations under their case's name where there are several cases.
// No specs at all are a broken stage.
func Merge(specs []SpecResult) Result {
	if len(specs) == 0 {
		return Result{Verdict: Broken, Reason: "no spec ran", Observations: map[string]Value{}, Pcapng: []string{}}
	}
	specs = slices.Clone(specs)
	slices.SortStableFunc(specs, func(a, b SpecResult) int { return cmp.Compare(a.Case, b.Case) })

	merged := Result{
		ID: specs[0].Claim, Family: specs[0].Family,
		Observations: map[string]Value{}, Pcapng: []string{},
	}
	var verdicts []Verdict
	var reasons []string
	for i, spec := range specs {
		verdicts = append(verdicts, spec.Verdict)
		merged.Seconds = max(merged.Seconds, round(spec.Seconds))
		for _, o := range spec.Observations {
			merged.Observations[ObservationKey(specs, i, o.Name)] = Value{o.Value, o.Unit}
		}
		if reason := strings.TrimSpace(spec.Reason); reason != "" {
			if len(specs) > 1 {
				reason = caseName(specs, i) + ": " + reason
			}
			reasons = append(reasons, reason)
		}
		if spec.Pcapng != "" {
			merged.Pcapng = append(merged.Pcapng, spec.Pcapng)
		}
	}
	merged.Verdict = worst(verdicts)
	merged.Reason = strings.Join(reasons, "\n")
	return merged
}

// ObservationKey is the name that an observation of specs[i] has in their Result; specs are in the
// order of their cases, as Ordered has them.
func ObservationKey(specs []SpecResult, i int, name string) string {
	if len(specs) == 1 {
		return name
	}
	return caseKey(specs, i) + "." + name
}

// caseName is the case of specs[i], numbered where it has no name of its own.
func caseName(specs []SpecResult, i int) string {
	name := specs[i].Case
	if name == "" {
		name = "case"
	}
	nth := 1
	for _, before := range specs[:i] {
		if before.Case == specs[i].Case {
			nth++
		}
	}
	if nth > 1 || specs[i].Case == "" {
		return fmt.Sprintf("%s %d", name, nth)
	}
	return name
}

// caseKey turns "SIGTERM, server breaks" into sigterm_server_breaks.
func caseKey(specs []SpecResult, i int) string {
	words := strings.FieldsFunc(strings.ToLower(caseName(specs, i)), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	return strings.Join(words, "_")
}

// Results merges the specs of a run, in whatever order they ended: one Result per claim and
// family, in the catalogue's order, then IPv4 before IPv6.
func Results(catalogue *claim.Catalogue, specs []SpecResult) []Result {
	ordered := Ordered(catalogue, specs)
	results := []Result{}
	for i := 0; i < len(ordered); {
		j := i
		for j < len(ordered) && ordered[j].Claim == ordered[i].Claim && ordered[j].Family == ordered[i].Family {
			j++
		}
		results = append(results, Merge(ordered[i:j]))
		i = j
	}
	return results
}

// Ordered sorts specs by the catalogue's order, family and case.
func Ordered(catalogue *claim.Catalogue, specs []SpecResult) []SpecResult {
	ordered := slices.Clone(specs)
	slices.SortStableFunc(ordered, func(a, b SpecResult) int {
		return cmp.Or(
			cmp.Compare(catalogue.Order(a.Claim), catalogue.Order(b.Claim)),
			cmp.Compare(a.Claim, b.Claim),
			cmp.Compare(a.Family, b.Family),
			cmp.Compare(a.Case, b.Case),
		)
	})
	return ordered
}
