package main

import (
	"fmt"
	"strings"

	"github.com/halfopen/halfopen/harness/claim"
)

type claimsCommand struct {
	Names   []string `arg:"" optional:"" name:"story|claim" help:"Stories or claims; all of them if none is named."`
	RFC9293 bool     `name:"rfc9293" help:"Print the requirements of RFC 9293 that concern failures, and which claims prove or contradict them."`
}

// Run prints the catalogue; nothing is run.
func (c *claimsCommand) Run() error {
	catalogue, chosen, err := choose(c.Names, 0)
	if err != nil {
		return err
	}
	if !c.RFC9293 {
		list(chosen)
		return nil
	}
	requirements, err := catalogue.Requirements()
	if err != nil {
		return err
	}
	fmt.Print(requirementTable(requirements))
	return nil
}

// requirementTable has a block of lines for each requirement, and ends with how many there are of
// each kind.
func requirementTable(requirements []claim.Requirement) string {
	var table strings.Builder
	counts := map[string]int{}
	for _, r := range requirements {
		counts[r.Status()]++
		fmt.Fprintf(&table, "%-8s %-12s  %s\n", r.ID, r.Status(), r.Text)
		for _, id := range r.Departs {
			fmt.Fprintf(&table, "%24sdeparts from RFC 9293 %s: %s\n", "", r.ID, id)
		}
		for _, id := range r.Proved {
			fmt.Fprintf(&table, "%24s%s\n", "", id)
		}
		if r.Unobservable != "" {
			fmt.Fprintf(&table, "%24s%s\n", "", r.Unobservable)
		}
	}
	fmt.Fprintf(&table, "\n%d requirements: %d proved, %d that Linux departs from, %d not observable from outside, %d without a claim yet\n",
		len(requirements), counts["proved"], counts["departs"], counts["unobservable"], counts["open"])
	return table.String()
}
