package claim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Select returns the claims that args name, each arg a claim's ID or a story, in the catalogue's
// order and each once; no args select every claim. The first unknown arg is an *UnknownError.
func (c *Catalogue) Select(args []string) ([]Claim, error) {
	if len(args) == 0 {
		return c.Claims(), nil
	}
	wanted := map[string]bool{}
	for _, arg := range args {
		if _, known := c.index[arg]; !known && !c.hasStory(arg) {
			return nil, &UnknownError{Name: arg, Nearest: c.nearest(arg), Stories: c.Stories()}
		}
		wanted[arg] = true
	}
	var selected []Claim
	for _, cl := range c.claims {
		if wanted[cl.ID] || wanted[cl.Story] {
			selected = append(selected, cl)
		}
	}
	return selected, nil
}

// UnknownError says that no claim and no story has this name.
type UnknownError struct {
	Name    string
	Nearest []string // names it may have been meant to be, the nearest first; may be empty
	Stories []Story
}

func (e *UnknownError) Error() string {
	switch len(e.Nearest) {
	case 0:
		names := make([]string, len(e.Stories))
		for i, story := range e.Stories {
			names[i] = story.Name
		}
		return fmt.Sprintf("no claim or story is called %q; the stories are %s", e.Name, strings.Join(names, ", "))
	case 1:
		return fmt.Sprintf("no claim or story is called %q; the nearest is %s", e.Name, e.Nearest[0])
	}
	return fmt.Sprintf("no claim or story is called %q; the nearest are %s", e.Name, strings.Join(e.Nearest, ", "))
}

// nearest gives up to three claims and one story: claims by edit distance to the whole ID, or to
// its second part where the story was left out, and no farther than two edits beyond the best;
// the story by its distance to what stands before the slash.
func (c *Catalogue) nearest(arg string) []string {
	arg = strings.ToLower(arg)
	storyPart, _, inStory := strings.Cut(arg, "/")

	type candidate struct {
		name string
		edit int
	}
	var claims, stories []candidate
	for _, cl := range c.claims {
		d := distance(arg, cl.ID)
		if !inStory {
			d = min(d, distance(arg, strings.TrimPrefix(cl.ID, cl.Story+"/")))
		}
		if d <= len(arg)/2 {
			claims = append(claims, candidate{cl.ID, d})
		}
	}
	for _, story := range c.stories {
		if d := distance(storyPart, story.Name); d <= len(storyPart)/2 {
			stories = append(stories, candidate{story.Name, d})
		}
	}
	nearer := func(a, b candidate) int { return cmp.Compare(a.edit, b.edit) }
	slices.SortStableFunc(claims, nearer)
	slices.SortStableFunc(stories, nearer)

	var found []candidate
	for _, cand := range claims[:min(len(claims), 3)] {
		if cand.edit <= claims[0].edit+2 {
			found = append(found, cand)
		}
	}
	found = append(found, stories[:min(len(stories), 1)]...)
	if !inStory {
		slices.SortStableFunc(found, nearer)
	}
	names := make([]string, len(found))
	for i, cand := range found {
		names[i] = cand.name
	}
	return names
}

// distance is Levenshtein's: the fewest insertions, deletions and replacements of bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
