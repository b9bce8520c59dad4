package report

import (
	"slices"

	"github.com/halfopen/halfopen/harness/claim"
)

// Selection names the claims of a run as the command takes them: nothing for all that its profile runs,
// a story for all of it, and else the claims.
func Selection(catalogue *claim.Catalogue, run Run) []string {
	ran := map[string]bool{}
	for _, result := range run.Claims {
		ran[result.ID] = true
	}
	left := func(c claim.Claim) bool { return c.RunsIn(run.Profile) && !ran[c.ID] }
	if !slices.ContainsFunc(catalogue.Claims(), left) {
		return nil
	}
	var names []string
	for _, story := range catalogue.Stories() {
		claims := catalogue.ByStory(story.Name)
		if !slices.ContainsFunc(claims, left) {
			names = append(names, story.Name)
			continue
		}
		for _, each := range claims {
			if ran[each.ID] {
				names = append(names, each.ID)
			}
		}
	}
	return names
}
