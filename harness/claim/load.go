package claim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/halfopen/halfopen/fixtures"
)

// Load reads the embedded catalogue.
func Load() (*Catalogue, error) { return Parse("claims.yaml", fixtures.Claims) }

type file struct {
	Sabotages map[string]string `yaml:"sabotages"`
	Stories   []storyEntry      `yaml:"stories"`
}

type storyEntry struct {
	Name   string       `yaml:"name"`
	Title  string       `yaml:"title"`
	Claims []claimEntry `yaml:"claims"`
}

type claimEntry struct {
	ID       string   `yaml:"id"`
	Claim    string   `yaml:"claim"`
	Level    string   `yaml:"level"`
	Sources  []string `yaml:"sources"`
	Departs  []string `yaml:"departs"`
	Seed     string   `yaml:"seed"`
	Since    string   `yaml:"since"`
	Feature  string   `yaml:"feature"`
	Program  string   `yaml:"program"`
	Profile  string   `yaml:"profile"`
	Hosts    string   `yaml:"hosts"`
	Sabotage []string `yaml:"sabotage"`

	Expects []expectEntry `yaml:"expects"`
}

type expectEntry struct {
	Since string `yaml:"since"`
	Name  string `yaml:"name"`
	Text  string `yaml:"text"`
}

// Parse reads a catalogue; name is used in errors only. Every fault found is in the error, one
// line each with the line of the file.
func Parse(name string, data []byte) (*Catalogue, error) {
	var f file
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&f); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: the catalogue is empty", name)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	// Every process of a spec loads the catalogue, and a good one needs no lines.
	lines := sync.OnceValue(func() [][]int { return claimLines(data) })
	c := &Catalogue{index: map[string]int{}, sabotages: f.Sabotages}
	var faults []error
	fault := func(line int, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s:%d: %s", name, line, fmt.Sprintf(format, args...)))
	}
	if len(f.Stories) == 0 {
		fault(1, "the catalogue has no stories")
	}
	for s, story := range f.Stories {
		if c.hasStory(story.Name) {
			fault(1, "the story %s is there twice", story.Name)
		}
		c.stories = append(c.stories, Story{Name: story.Name, Title: story.Title})
		for i, entry := range story.Claims {
			line := func() int { return lines()[s][i] }
			if first, again := c.index[entry.ID]; again {
				fault(line(), "the ID %s is used twice, first for %q", entry.ID, c.claims[first].Text)
				continue
			}
			for _, what := range entry.faults(story.Name, f.Sabotages) {
				fault(line(), "claim %q %s", entry.ID, what)
			}
			c.index[entry.ID] = len(c.claims)
			loaded := Claim{
				ID: entry.ID, Text: entry.Claim, Level: entry.Level, Story: story.Name,
				Sources: entry.Sources, Departs: entry.Departs, Seed: entry.Seed, Since: entry.Since, Feature: entry.Feature,
				Program: entry.Program, Profile: entry.Profile, Machines: entry.Hosts == "machines", Sabotage: entry.Sabotage,
			}
			for _, e := range entry.Expects {
				loaded.Expects = append(loaded.Expects, Expectation(e))
			}
			c.claims = append(c.claims, loaded)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return c, nil
}

func (c *Catalogue) hasStory(name string) bool {
	return slices.ContainsFunc(c.stories, func(s Story) bool { return s.Name == name })
}

// claimLines gives the line of each claim, by story and place. The strict decoder does not tell
// them and yaml.Node's own Decode is not strict, so the text is read a second time.
func claimLines(data []byte) [][]int {
	type placed struct {
		Stories []struct {
			Claims []yaml.Node `yaml:"claims"`
		} `yaml:"stories"`
	}
	var f placed
	// It was read once without a fault.
	_ = yaml.Unmarshal(data, &f)
	lines := make([][]int, len(f.Stories))
	for i, story := range f.Stories {
		for _, node := range story.Claims {
			lines[i] = append(lines[i], node.Line)
		}
	}
	return lines
}

var (
	idSyntax          = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*/[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	sinceSyntax       = regexp.MustCompile(`^[0-9]+\.[0-9]+$`)
	requirementSyntax = regexp.MustCompile(`^RFC [0-9]+ (MUST|SHLD|MAY|REQ)-[0-9]+$`)
	seedSyntax        = regexp.MustCompile(`^(missing|§[0-9](\.[0-9])*(, §[0-9](\.[0-9])*)*)$`)
)

// faults lists what is wrong with one entry, as the ends of sentences about the claim.
func (e claimEntry) faults(story string, sabotages map[string]string) []string {
	var found []string
	unless := func(ok bool, format string, args ...any) {
		if !ok {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	unless(idSyntax.MatchString(e.ID), "has no ID of the form story/name-in-kebab-case")
	unless(strings.HasPrefix(e.ID, story+"/"), "stands in the story %s", story)
	unless(isSentence(e.Claim), "must be one sentence, from a capital to its only full stop: %q", e.Claim)
	unless(slices.Contains(Levels(), e.Level), "has the level %q; the levels are %s", e.Level, strings.Join(Levels(), ", "))
	unless(len(e.Sources) > 0, "has no source")
	unless(!slices.ContainsFunc(e.Sources, func(s string) bool { return strings.TrimSpace(s) == "" }), "has an empty source")
	for _, requirement := range e.Departs {
		unless(requirementSyntax.MatchString(requirement), "departs from %q, which is not of the form RFC 9293 MUST-23", requirement)
	}
	unless(len(e.Departs) == 0 || !slices.Contains([]string{"MUST", "SHOULD", "MAY"}, e.Level), "departs from a requirement and has the level of one")
	unless(seedSyntax.MatchString(e.Seed), "has the seed %q, which is neither sections (§3.1) nor \"missing\"", e.Seed)
	unless(e.Since == "" || sinceSyntax.MatchString(e.Since), "has since %q, which is not major.minor", e.Since)
	unless(e.Since == "" || e.Feature != "", "has since without feature")
	unless(e.Profile == "" || e.Profile == "scaled" || e.Profile == "defaults", "has the profile %q, which is neither scaled nor defaults", e.Profile)
	unless(e.Hosts == "" || e.Hosts == "machines", "has the hosts %q, which can only be machines", e.Hosts)
	unless(len(e.Sabotage) > 0, "has no sabotage")
	for i, name := range e.Sabotage {
		_, known := sabotages[name]
		unless(known, "has the sabotage %q, which is not in the list of sabotages", name)
		unless(!slices.Contains(e.Sabotage[:i], name), "has the sabotage %q twice", name)
	}
	unless(len(e.Expects) != 1, "has one expectation only, which is the claim itself")
	for i, expect := range e.Expects {
		unless(expect.Name != "" && expect.Text != "", "has an expectation without name or text")
		unless(!slices.ContainsFunc(e.Expects[:i], func(before expectEntry) bool { return before.Name == expect.Name }),
			"has the expectation %q twice", expect.Name)
		switch {
		case i == 0:
			unless(expect.Since == "", "has since in its first expectation, which holds for every release before the second's")
		case !sinceSyntax.MatchString(expect.Since):
			unless(false, "has the expectation %q since %q, which is not major.minor", expect.Name, expect.Since)
		case i > 1:
			before, now := majorMinor(e.Expects[i-1].Since), majorMinor(expect.Since)
			unless(slices.Compare(before[:], now[:]) < 0, "has the expectation %q out of the order of releases", expect.Name)
		}
	}
	return found
}

// isSentence: a capital first, a full stop last, and none between that would end a sentence;
// "0.2 s" ends none.
func isSentence(text string) bool {
	body, stopped := strings.CutSuffix(text, ".")
	return stopped && body != "" && body[0] >= 'A' && body[0] <= 'Z' &&
		!strings.HasSuffix(body, ".") && !strings.Contains(body, ". ") && !strings.Contains(body, "\n") &&
		!strings.ContainsAny(body, "!?")
}
