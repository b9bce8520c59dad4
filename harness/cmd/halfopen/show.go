package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/explain"
	"github.com/halfopen/halfopen/harness/ladder"
	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/wire"
)

type showCommand struct {
	Claim   string `arg:"" help:"The claim, STORY/NAME."`
	Family  int    `default:"0" help:"4 or 6; if not given, IPv4, and IPv6 as well where its verdict is another."`
	Case    string `help:"One of the claim's cases, or a part of its name."`
	Results string `default:"halfopen-results" type:"path" help:"The folder with the results of a run."`
	SVG     string `name:"svg" placeholder:"FILE" type:"path" help:"Write the diagram to a file as well, as SVG; several stand under one another."`
	Width   int    `default:"0" help:"Columns to draw in; the terminal's, at most 100, if not given."`
}

// Run draws what the last run captured of a claim; nothing is run.
func (c *showCommand) Run() error {
	proved, err := c.choose()
	if err != nil {
		return err
	}
	run, err := report.Load(c.Results)
	if err != nil {
		return err
	}
	results, also, err := c.results(run, proved)
	if err != nil {
		return err
	}
	tty, width, color := report.Terminal(os.Stdout)
	columns := c.Width
	if columns <= 0 {
		columns = 100
		if tty {
			columns = width()
		}
	}
	var diagrams []*ladder.Diagram
	fmt.Printf("%s\n", strings.Join(fold(proved.ID+": "+proved.Text, columns), "\n"))
	fmt.Printf("%s\n", strings.Join(fold(proved.Level+": "+strings.Join(proved.Sources, ", "), columns), "\n"))
	fmt.Printf("Linux %s, %s clock, profile %s\n", run.Kernel.Release, run.Clock, run.Profile)
	for _, result := range results {
		captures, err := c.captures(result)
		if err != nil {
			return err
		}
		fmt.Printf("\nIPv%d  %s  %s\n", result.Family, result.Verdict, report.Value{Value: result.Seconds, Unit: report.Seconds})
		if result.Reason != "" {
			fmt.Println(strings.TrimRight(result.Reason, "\n"))
		}
		printObservations(result, columns)
		if len(result.Pcapng) == 0 {
			fmt.Printf("  no capture: %s\n", whyNoCapture(result))
		}
		for _, file := range captures {
			diagram, err := c.read(file)
			if err != nil {
				return err
			}
			fmt.Printf("\n%s\n%s", filepath.Join(c.Results, file), diagram.Text(columns, color))
			diagrams = append(diagrams, diagram)
		}
	}
	if also != "" {
		fmt.Printf("\n%s\n", also)
	}
	return c.writeSVG(diagrams)
}

// choose finds the claim that is named, which a story is not.
func (c *showCommand) choose() (claim.Claim, error) {
	catalogue, chosen, err := choose([]string{c.Claim}, c.Family)
	if err != nil {
		return claim.Claim{}, err
	}
	if c.Width < 0 {
		return claim.Claim{}, fmt.Errorf("--width is a number of columns, not %d", c.Width)
	}
	proved, is := catalogue.ByID(c.Claim)
	if !is {
		return claim.Claim{}, fmt.Errorf("%s is a story of %d claims; name one, such as %s (`halfopen run --list %s` lists them)", c.Claim, len(chosen), chosen[0].ID, c.Claim)
	}
	return proved, nil
}

// results picks the claim's results, and says which it leaves out.
func (c *showCommand) results(run report.Run, proved claim.Claim) (picked []report.Result, also string, err error) {
	var all []report.Result
	for _, result := range run.Claims {
		if result.ID == c.Claim {
			all = append(all, result)
		}
	}
	switch {
	case len(all) > 0:
	case proved.Machines:
		return nil, "", fmt.Errorf("%s has no result in %s: `%s` makes one for each pair, in folders of halfopen-pairs", c.Claim, c.Results, explain.Command(proved))
	default:
		return nil, "", fmt.Errorf("%s has no result in %s: `%s --out %s` makes one, and replaces what is there", c.Claim, c.Results, explain.Command(proved), c.Results)
	}
	for _, result := range all {
		switch {
		case c.Family == result.Family, c.Family == 0 && (len(picked) == 0 || result.Verdict != picked[0].Verdict):
			picked = append(picked, result)
		case c.Family == 0:
			also = fmt.Sprintf("IPv%d: %s as well; --family %d shows it", result.Family, result.Verdict, result.Family)
		}
	}
	if len(picked) == 0 {
		return nil, "", fmt.Errorf("%s was run over IPv%d alone: leave --family out, or `halfopen run %s --family %d`", c.Claim, all[0].Family, c.Claim, c.Family)
	}
	return picked, also, nil
}

// captures are the files of a result, of the case that is asked for.
func (c *showCommand) captures(result report.Result) ([]string, error) {
	if c.Case == "" {
		return result.Pcapng, nil
	}
	var names, found []string
	wanted := slug(c.Case)
	for _, file := range result.Pcapng {
		name := strings.TrimSuffix(strings.TrimPrefix(file, strings.ReplaceAll(c.Claim, "/", "-")+"-"), fmt.Sprintf("-ipv%d.pcapng", result.Family))
		if name == fmt.Sprintf("ipv%d.pcapng", result.Family) {
			continue // the claim has one case, without a name
		}
		names = append(names, name)
		if strings.Contains(slug(name), wanted) {
			found = append(found, file)
		}
		if slug(name) == wanted {
			return []string{file}, nil
		}
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("%s has one case alone: leave --case out", c.Claim)
	case len(found) == 0 || wanted == "":
		return nil, fmt.Errorf("%s has no case %q; its cases are %s", c.Claim, c.Case, strings.Join(names, ", "))
	}
	return found, nil
}

// slug makes "server breaks" and "server-breaks" the same.
func slug(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), "-")
}

func (c *showCommand) read(name string) (*ladder.Diagram, error) {
	path := filepath.Join(c.Results, filepath.Base(name))
	diagram, err := ladder.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the capture %s is missing, though results.json names it: `halfopen run %s --out %s` makes it anew", path, c.Claim, c.Results)
	case errors.Is(err, wire.ErrNotRecording):
		return nil, fmt.Errorf("%w; `halfopen run %s --out %s` makes it anew", err, c.Claim, c.Results)
	case err != nil:
		return nil, err
	}
	// The capture does not say which case it is of.
	diagram.Title += " (" + strings.TrimSuffix(filepath.Base(name), ".pcapng") + ")"
	return diagram, nil
}

func whyNoCapture(result report.Result) string {
	if result.Verdict == report.Unsupported {
		return "the kernel lacks what the claim is about, so that nothing was staged"
	}
	return "the stage was not set, or the spec died"
}

// printObservations prints what was measured, in columns: value, name, meaning as far as there is room.
func printObservations(result report.Result, columns int) {
	names := make([]string, 0, len(result.Observations))
	longest, widest := 0, 0
	for name, value := range result.Observations {
		names = append(names, name)
		longest, widest = max(longest, len(name)), max(widest, utf8.RuneCountInString(value.String()))
	}
	slices.Sort(names)
	for _, name := range names {
		bare := name[strings.LastIndex(name, ".")+1:]
		quantity, _ := report.Lookup(bare)
		line := fmt.Sprintf("  %-*s  %-*s  %s", longest, name, widest, result.Observations[name], quantity.Meaning)
		fmt.Println(strings.TrimRight(shorten(line, columns), " "))
	}
}

func (c *showCommand) writeSVG(diagrams []*ladder.Diagram) error {
	switch {
	case c.SVG == "":
		return nil
	case len(diagrams) == 0:
		return fmt.Errorf("nothing was captured of %s, so that there is nothing to draw in %s", c.Claim, c.SVG)
	}
	drawing := diagrams[0].SVG()
	if len(diagrams) > 1 {
		drawing = ladder.Stack(diagrams)
	}
	if err := os.WriteFile(c.SVG, drawing, 0o644); err != nil {
		return fmt.Errorf("cannot write the diagram: %w; --svg names a file in a folder that is there", err)
	}
	fmt.Printf("\nthe diagram is in %s\n", c.SVG)
	return nil
}

// fold breaks a text at spaces into lines of so many columns.
func fold(text string, columns int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}
