package claim

import (
	"bytes"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/halfopen/halfopen/fixtures"
)

// Requirement is one of RFC 9293's, and what the catalogue has on it.
type Requirement struct {
	ID           string // "MUST-23"
	Text         string // what it asks for, in short
	Unobservable string // why nothing shows it from outside; empty if something could

	Proved  []string // IDs of the claims that have it among their sources and do not depart from it
	Departs []string // IDs of the claims that Linux departs from it with
}

// Source is how claims name the requirement.
func (r Requirement) Source() string { return "RFC 9293 " + r.ID }

// Status is "departs", "proved", "unobservable" or "open": nothing is known of it yet.
func (r Requirement) Status() string {
	switch {
	case len(r.Departs) > 0:
		return "departs"
	case len(r.Proved) > 0:
		return "proved"
	case r.Unobservable != "":
		return "unobservable"
	}
	return "open"
}

// Requirements are those of RFC 9293 that concern failures, in the order of fixtures/rfc9293.yaml.
func (c *Catalogue) Requirements() ([]Requirement, error) {
	var file struct {
		Requirements []struct {
			ID           string `yaml:"id"`
			Text         string `yaml:"text"`
			Unobservable string `yaml:"unobservable"`
		} `yaml:"requirements"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(fixtures.RFC9293))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("rfc9293.yaml: %w", err)
	}
	var requirements []Requirement
	for _, row := range file.Requirements {
		r := Requirement{ID: row.ID, Text: row.Text, Unobservable: row.Unobservable}
		for _, each := range c.claims {
			switch {
			case slices.Contains(each.Departs, r.Source()):
				r.Departs = append(r.Departs, each.ID)
			case slices.Contains(each.Sources, r.Source()):
				r.Proved = append(r.Proved, each.ID)
			}
		}
		requirements = append(requirements, r)
	}
	return requirements, nil
}
