package report

import (
	"fmt"
	"strings"

	"github.com/halfopen/halfopen/harness/claim"
)

// Markdown renders a run as tables, one a story, for a job's summary or a README: each claim with
// its verdict over either family and what was observed.
func Markdown(run Run, catalogue *claim.Catalogue, specs []SpecResult) []byte {
	var out strings.Builder
	fmt.Fprintf(&out, "Linux %s (HZ %d), %s clock, profile %s, %s: **%s**\n", run.Kernel.Release, run.Kernel.HZ, run.Clock, run.Profile, saySeconds(run.Seconds), tally(run.Claims))
	if run.Sabotage != "" {
		fmt.Fprintf(&out, "\nUnder the sabotage %s: what fails says nothing of the kernel.\n", run.Sabotage)
	}
	if !run.Complete {
		out.WriteString("\nThe run is incomplete: it was interrupted, and claims are missing.\n")
	}
	for _, story := range catalogue.Stories() {
		var rows []string
		for _, proved := range catalogue.ByStory(story.Name) {
			if row := markdownRow(proved, run.Claims, specs); row != "" {
				rows = append(rows, row)
			}
		}
		if len(rows) > 0 {
			fmt.Fprintf(&out, "\n**%s**: %s\n\n| claim | IPv4 | IPv6 | observed |\n| --- | --- | --- | --- |\n%s",
				story.Name, story.Title, strings.Join(rows, ""))
		}
	}
	return []byte(out.String())
}

// tally counts results by verdict: "565 pass, 1 unsupported".
func tally(results []Result) string {
	var parts []string
	for _, v := range columns() {
		n := 0
		for _, result := range results {
			if result.Verdict == v {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	if len(parts) == 0 {
		return "nothing decided"
	}
	return strings.Join(parts, ", ")
}

// markdownRow is a claim's row, empty if the claim was not run.
func markdownRow(proved claim.Claim, results []Result, specs []SpecResult) string {
	verdicts := map[int]Verdict{}
	for _, result := range results {
		if result.ID == proved.ID {
			verdicts[result.Family] = result.Verdict
		}
	}
	if len(verdicts) == 0 {
		return ""
	}
	var of []SpecResult
	for _, spec := range specs {
		if spec.Claim == proved.ID {
			of = append(of, spec)
		}
	}
	_, name, _ := strings.Cut(proved.ID, "/")
	return fmt.Sprintf("| %s: %s | %s | %s | %s |\n", name, strings.TrimSuffix(proved.Text, "."), verdicts[4], verdicts[6], phrases(of))
}
