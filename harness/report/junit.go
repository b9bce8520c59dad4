package report

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/halfopen/halfopen/harness/claim"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitCase struct {
	Name       string           `xml:"name,attr"`
	Classname  string           `xml:"classname,attr"`
	Time       string           `xml:"time,attr"`
	Properties *junitProperties `xml:"properties"`
	Failure    *junitOutcome    `xml:"failure"`
	Error      *junitOutcome    `xml:"error"`
	Skipped    *junitOutcome    `xml:"skipped"`
	SystemOut  string           `xml:"system-out,omitempty"`
}

type junitProperties struct {
	Property []junitProperty `xml:"property"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitOutcome struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit renders junit.xml: a testsuite per story, a testcase per spec with its observations as
// properties. fail is a failure, broken an error, unsupported skipped with its reason.
func JUnit(run Run, catalogue *claim.Catalogue, specs []SpecResult) ([]byte, error) {
	all := junitSuites{Name: "halfopen"}
	ordered := Ordered(catalogue, specs)
	total := 0.0
	for _, story := range storiesOf(ordered) {
		suite := junitSuite{
			Name: story, Timestamp: strings.TrimSuffix(run.Started, "Z"),
			Properties: junitRun(run),
		}
		seconds := 0.0
		for _, spec := range ordered {
			if storyOf(spec.Claim) != story {
				continue
			}
			cl, _ := catalogue.ByID(spec.Claim)
			suite.Cases = append(suite.Cases, junitOf(cl, spec))
			seconds += spec.Seconds
			suite.Tests++
			switch spec.Verdict {
			case Fail:
				suite.Failures++
			case Broken:
				suite.Errors++
			case Unsupported:
				suite.Skipped++
			}
		}
		suite.Time = junitTime(seconds)
		total += seconds
		all.Tests += suite.Tests
		all.Failures += suite.Failures
		all.Errors += suite.Errors
		all.Skipped += suite.Skipped
		all.Suites = append(all.Suites, suite)
	}
	all.Time = junitTime(total)
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("junit.xml could not be made: %w", err)
	}
	return append([]byte(xml.Header), append(text, '\n')...), nil
}

// junitRun says of each suite what it was run on; what there is not is left out.
func junitRun(run Run) []junitProperty {
	properties := []junitProperty{
		{"halfopen", run.Halfopen}, {"kernel.name", run.Kernel.Name},
		{"kernel.release", run.Kernel.Release}, {"kernel.version", run.Kernel.Version},
		{"kernel.machine", run.Kernel.Machine}, {"kernel.hz", strconv.Itoa(run.Kernel.HZ)},
		{"clock", run.Clock}, {"profile", run.Profile},
	}
	if run.Seed != 0 {
		properties = append(properties, junitProperty{"seed", strconv.FormatUint(run.Seed, 10)})
	}
	return slices.DeleteFunc(properties, func(p junitProperty) bool { return p.Value == "" })
}

func junitOf(cl claim.Claim, spec SpecResult) junitCase {
	c := junitCase{
		Name: spec.Title(), Classname: storyOf(spec.Claim), Time: junitTime(spec.Seconds), SystemOut: spec.Output,
	}
	var properties []junitProperty
	add := func(name, value string) {
		if value != "" {
			properties = append(properties, junitProperty{name, value})
		}
	}
	add("claim", spec.Claim)
	add("level", cl.Level)
	add("sources", strings.Join(cl.Sources, "; "))
	add("text", spec.Text)
	add("pcapng", spec.Pcapng)
	for _, o := range spec.Observations {
		add(o.Name, strings.TrimSpace(fmt.Sprint(o.Value)+" "+strings.TrimPrefix(o.Unit, Count)))
	}
	c.Properties = &junitProperties{properties}

	outcome := &junitOutcome{Message: oneLine(spec.Reason)}
	switch spec.Verdict {
	case Fail:
		c.Failure = outcome
	case Broken:
		c.Error = outcome
	case Unsupported:
		c.Skipped = outcome
		return c
	default:
		return c
	}
	outcome.Text = strings.Join(details(cl, spec), "\n")
	return c
}

func junitTime(seconds float64) string { return strconv.FormatFloat(seconds, 'f', 6, 64) }

// storiesOf lists the stories that specs belong to, in the specs' order.
func storiesOf(specs []SpecResult) []string {
	var stories []string
	for _, spec := range specs {
		if story := storyOf(spec.Claim); !slices.Contains(stories, story) {
			stories = append(stories, story)
		}
	}
	return stories
}

func storyOf(id string) string {
	story, _, _ := strings.Cut(id, "/")
	return story
}
