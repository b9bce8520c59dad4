package compare

import (
	"fmt"
	"math"
	"slices"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/report"
)

// mostMeanings is how many sentences a change has; the rest says less.
const mostMeanings = 2

// meaning says what a change is for an application.
func (c *comparer) meaning(proved claim.Claim, change Change) []string {
	old, new := c.result.Old.Short, c.result.New.Short
	what := feature(proved)
	switch change.Kind {
	case Appeared:
		if what != "" {
			return []string{fmt.Sprintf("%s has %s, which %s has not: applications and administrators can use it from here on.", new, what, old)}
		}
		return []string{fmt.Sprintf("%s can do what %s could not.", new, old)}
	case Went:
		if what != "" {
			return []string{fmt.Sprintf("%s has no %s any more: what sets or uses it fails there.", new, what)}
		}
		return []string{fmt.Sprintf("%s cannot do it any more.", new)}
	case Broke:
		switch {
		case change.Old == report.Unsupported && what != "":
			return []string{fmt.Sprintf("%s has %s, which %s has not, and does not do with it what is documented.", new, what, old)}
		case change.Old == report.Unsupported:
			return []string{fmt.Sprintf("%s can do what %s could not, and does not do it as it is documented.", new, old)}
		}
		return []string{fmt.Sprintf("The sentence does not hold on %s any more: what an application does because of it must be looked at before the upgrade.", new)}
	case Variation:
		return []string{}
	case Kept:
		return []string{fmt.Sprintf("The sentence holds on %s, as it did not on %s: what an application does to get around that can go.", new, old)}
	}
	var said []string
	for _, moved := range change.Moved {
		if moved.Meaning == "" || len(said) == mostMeanings {
			continue
		}
		// What tools and captures show is worth a sentence only where nothing weightier moved.
		if len(said) > 0 && weight(moved.Bearing) > weight(report.OnRelease) {
			break
		}
		if !slices.Contains(said, moved.Meaning) {
			said = append(said, moved.Meaning)
		}
	}
	return append([]string{}, said...)
}

// expected are the catalogue's sentences on the two releases, none if they are the same.
func (c *comparer) expected(proved claim.Claim) []string {
	a, b := c.before.version(), c.after.version()
	old, known := proved.ExpectedOf(a[0], a[1])
	new, _ := proved.ExpectedOf(b[0], b[1])
	if !known || old == new {
		return []string{}
	}
	say := func(name string, e claim.Expectation) string {
		if e.Since == "" {
			return fmt.Sprintf("%s %s", name, e.Text)
		}
		return fmt.Sprintf("%s, as each release since %s, %s", name, e.Since, e.Text)
	}
	return []string{say(c.result.Old.Short, old), say(c.result.New.Short, new)}
}

// meaningOf is the sentence on an observation that moved, by what it bears on; away is how far, and in which
// direction, and old and new how the sides are called. It is empty for what means nothing by itself.
func meaningOf(q report.Quantity, moved Moved, away float64, old, new string) string {
	by := report.Value{Value: math.Abs(away), Unit: q.Unit}.String()
	later, longer, more := "later", "longer", "more"
	if away < 0 {
		later, longer, more = "sooner", "shorter", "less"
	}
	switch {
	case moved.Bearing == report.OnExpectation, moved.Bearing == report.OnJudgement:
		return ""
	case moved.Old == "":
		return fmt.Sprintf("%s alone shows it, %s (%s): what it measures did not happen on %s.", new, moved.New, orName(q, moved), old)
	case moved.New == "":
		return fmt.Sprintf("%s alone shows it, %s (%s): what it measures does not happen on %s.", old, moved.Old, orName(q, moved), new)
	}
	timed := q.Unit == report.Seconds
	switch moved.Bearing {
	case report.OnTold:
		return fmt.Sprintf("An application is told %s where it was told %s: code that tells errors apart takes another branch.", moved.New, moved.Old)
	case report.OnDetection:
		if away < 0 {
			return fmt.Sprintf("An application learns of the end up to %s sooner: a fault that is mended within that time used to go unnoticed and now ends the connection.", by)
		}
		return fmt.Sprintf("An application learns of the end up to %s later: until then its calls wait, and so does what takes over from the dead peer.", by)
	case report.OnRecovery:
		return fmt.Sprintf("A connection works, or works again, up to %s %s: what an application has to say waits that much %s.", by, later, longer)
	case report.OnDelivery:
		return fmt.Sprintf("An application gets another amount across: %s where it was %s (%s).", moved.New, moved.Old, q.Meaning)
	case report.OnRelease:
		return fmt.Sprintf("What a connection that is over holds (its port, its memory, a call that waits for it) is released up to %s %s.", by, later)
	case report.OnSetting:
		return fmt.Sprintf("The kernel's own value is another: an application that sets none of its own gets %s where it got %s (%s).", moved.New, moved.Old, q.Meaning)
	case report.OnRouter:
		if timed {
			return fmt.Sprintf("A Linux router on the path remembers a connection up to %s %s: how long one may be idle there changes.", by, longer)
		}
		return fmt.Sprintf("A Linux router on the path does something else: %s where it was %s (%s).", moved.New, moved.Old, q.Meaning)
	case report.OnWire:
		if timed {
			return fmt.Sprintf("On the wire it comes up to %s %s (%s): captures show it, and the application is not told.", by, later, q.Meaning)
		}
		return fmt.Sprintf("There is %s on the wire, %s where it was %s (%s): captures, firewalls and rate limits see it, and the application is not told.", more, moved.New, moved.Old, q.Meaning)
	}
	return fmt.Sprintf("Tools that read sockets and counters, such as ss and nstat, show %s where they showed %s (%s), and the application is not told.", moved.New, moved.Old, orName(q, moved))
}

// orName is a quantity's meaning; of one that the registry has no more, its name.
func orName(q report.Quantity, moved Moved) string {
	if q.Meaning == "" {
		return moved.Name
	}
	return q.Meaning
}
