package claim

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Claim is one documented behaviour.
type Claim struct {
	ID       string        // STORY/NAME in kebab-case, never reused
	Text     string        // one sentence in the present tense
	Level    string        // MUST, SHOULD, MAY, kernel-documented or observed
	Story    string        // the part of ID before the slash
	Sources  []string      // where it is written, at least one: "RFC 9293 MUST-26", "kernel tcp_keepalive_timer"
	Departs  []string      // requirements of an RFC that Linux does not meet by doing this: "RFC 9293 MUST-23"
	Seed     string        // section of the seed article, or "missing"
	Since    string        // release that brought Feature, major.minor; empty if every release has it
	Feature  string        // what a kernel must have, or the claim is unsupported; empty if nothing
	Program  string        // what must be installed, or specs are unsupported, and comes along into a guest: "nginx"
	Profile  string        // the only profile it is run in; empty if every
	Machines bool          // its hosts must be machines, and it is proved by `halfopen pairs` alone
	Expects  []Expectation // what the releases do that the text leaves open, the oldest first; empty if all do the same
	Sabotage []string      // at least one name of Catalogue.Sabotages
}

// Expectation is what kernels do from one release on until that of the next Expectation.
type Expectation struct {
	Since string // the release, major.minor; empty for the first, which holds for all before the second
	Name  string // by which the specs know it: "linear"
	Text  string // the rest of a sentence that begins with the release: "sends the first four a second apart"
}

// ExpectedOf is what a release is to do; ok is false if the claim's releases all do the same.
func (c Claim) ExpectedOf(major, minor int) (expected Expectation, ok bool) {
	for _, e := range c.Expects {
		var since [2]int
		if e.Since != "" {
			since = majorMinor(e.Since)
		}
		if major > since[0] || major == since[0] && minor >= since[1] {
			expected, ok = e, true
		}
	}
	return expected, ok
}

// majorMinor are the two numbers of a release of the catalogue, whose form has been checked.
func majorMinor(release string) (numbers [2]int) {
	for i, part := range strings.SplitN(release, ".", 2) {
		numbers[i], _ = strconv.Atoi(part)
	}
	return numbers
}

// RunsIn says whether the claim is run in a profile, "scaled" or "defaults", with any hosts.
func (c Claim) RunsIn(profile string) bool {
	return !c.Machines && (c.Profile == "" || c.Profile == profile)
}

// Confined is the only way to prove a claim that is not run in every profile, with any hosts: "with
// `--profile defaults`", "by `halfopen pairs`"; empty for others.
func (c Claim) Confined() string {
	switch {
	case c.Machines:
		return "by `halfopen pairs`"
	case c.Profile != "":
		return "with `--profile " + c.Profile + "`"
	}
	return ""
}

// Levels are the known levels, the most binding first.
func Levels() []string { return []string{"MUST", "SHOULD", "MAY", "kernel-documented", "observed"} }

// Story is a group of claims about one kind of break.
type Story struct{ Name, Title string }

// Catalogue is every claim, in the order of fixtures/claims.yaml. It does not change once loaded.
type Catalogue struct {
	stories   []Story
	claims    []Claim
	index     map[string]int
	sabotages map[string]string
}

// Claims returns every claim in the catalogue's order.
func (c *Catalogue) Claims() []Claim { return slices.Clone(c.claims) }

// Stories returns the stories in the catalogue's order.
func (c *Catalogue) Stories() []Story { return slices.Clone(c.stories) }

// Sabotages returns the closed list of sabotages: name to meaning.
func (c *Catalogue) Sabotages() map[string]string { return maps.Clone(c.sabotages) }

// ByID finds a claim.
func (c *Catalogue) ByID(id string) (Claim, bool) {
	i, known := c.index[id]
	if !known {
		return Claim{}, false
	}
	return c.claims[i], true
}

// Order is the claim's place in the catalogue, from 0; unknown claims come last.
func (c *Catalogue) Order(id string) int {
	if i, known := c.index[id]; known {
		return i
	}
	return len(c.claims)
}

// ByStory returns a story's claims in the catalogue's order, none for an unknown story.
func (c *Catalogue) ByStory(story string) []Claim {
	var claims []Claim
	for _, cl := range c.claims {
		if cl.Story == story {
			claims = append(claims, cl)
		}
	}
	return claims
}
