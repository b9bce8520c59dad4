package page

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/ladder"
	"github.com/halfopen/halfopen/harness/report"
)

//go:embed page.html.tmpl
var pageTemplate string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// File is the page's name in the results' folder.
const File = "report.html"

// mostInline is how many ladders of specs that did not pass are drawn in the page itself.
const mostInline = 24

// Input is what a page is made of.
type Input struct {
	Run       report.Run
	Catalogue *claim.Catalogue
	Specs     []report.SpecResult
	Folder    string // where the captures lie, and the page will
	Kernel    string // as it was named, of a run in a guest; empty on the running kernel
	Program   string // how the user called the program; halfopen if empty
}

// page is what page.html.tmpl is filled with.
type page struct {
	CSS           template.CSS
	JS            template.JS
	Run           report.Run
	Duration      string
	Command       string
	Specs, Claims int
	Counts        []count // of claims and families, by verdict
	Chart         template.HTML
	TallChart     template.HTML
	Stories       []story
	Meanings      []meaning
}

type count struct {
	Verdict report.Verdict
	N       int
}

type story struct {
	Name, Title string
	Counts      []count
	Claims      []claimed
}

type claimed struct {
	claim.Claim
	Name     string
	Open     bool // it did not pass
	Verdicts []familyVerdict
	Headline string
	Specs    []spec
	Pack     template.HTML // base64, which needs no escaping: the ladders that are not drawn, packed; the n-th is of the n-th spec without a Drawing
}

type familyVerdict struct {
	Family  int
	Verdict report.Verdict
}

type spec struct {
	report.SpecResult
	Seconds string
	Seen    []seen
	Link    template.URL
	Rerun   string
	Drawing template.HTML
	Packed  bool
}

type seen struct{ Name, Value string }

type meaning struct{ Name, Text string }

// HTML renders report.html.
func HTML(in Input) ([]byte, error) {
	filled, err := fill(in)
	if err != nil {
		return nil, err
	}
	parsed, err := template.New("page").Funcs(template.FuncMap{"glyph": report.Verdict.Glyph, "join": strings.Join, "words": strings.Fields}).Parse(pageTemplate)
	if err != nil {
		return nil, fmt.Errorf("%s could not be made: %w", File, err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, filled); err != nil {
		return nil, fmt.Errorf("%s could not be made: %w", File, err)
	}
	return out.Bytes(), nil
}

func fill(in Input) (page, error) {
	p := page{
		CSS: template.CSS(pageCSS + ladder.CSS()), JS: template.JS(pageJS), Run: in.Run, Specs: len(in.Specs),
		Duration: report.Value{Value: in.Run.Seconds, Unit: report.Seconds}.String(),
		Command:  command(in, named(in), in.Run.Family),
		Counts:   tally(in.Run.Claims, ""),
	}
	if table, err := report.Detection(in.Run); err == nil {
		p.Chart, p.TallChart = wideChart(table), tallChart(table)
	}
	specs := report.Ordered(in.Catalogue, in.Specs)
	drawings := drawAll(in.Folder, specs)
	titles := map[string]string{}
	for _, s := range in.Catalogue.Stories() {
		titles[s.Name] = s.Title
	}
	used := map[string]bool{}
	a := author{Input: in}
	for i := 0; i < len(specs); {
		j := i
		for j < len(specs) && specs[j].Claim == specs[i].Claim {
			j++
		}
		c, err := a.claim(specs[i:j], drawings[i:j])
		if err != nil {
			return p, err
		}
		if last := len(p.Stories) - 1; last < 0 || p.Stories[last].Name != c.Story {
			p.Stories = append(p.Stories, story{Name: c.Story, Title: titles[c.Story], Counts: tally(in.Run.Claims, c.Story)})
		}
		of := &p.Stories[len(p.Stories)-1]
		of.Claims = append(of.Claims, c)
		for _, s := range c.Specs {
			for _, o := range s.Seen {
				used[o.Name] = true
			}
		}
		p.Claims++
		i = j
	}
	for _, q := range report.Quantities() {
		if used[q.Name] {
			p.Meanings = append(p.Meanings, meaning{q.Name, q.Meaning})
		}
	}
	return p, nil
}

// author makes the entries of a page, one after another.
type author struct {
	Input
	inline int // ladders that are drawn in the page so far
	packer ladder.Packer
}

// claim makes a claim's entry of its specs, which are in their order.
func (a *author) claim(specs []report.SpecResult, drawings []string) (claimed, error) {
	proved, known := a.Catalogue.ByID(specs[0].Claim)
	if !known {
		proved = claim.Claim{ID: specs[0].Claim}
		proved.Story, _, _ = strings.Cut(proved.ID, "/")
	}
	c := claimed{Claim: proved}
	_, c.Name, _ = strings.Cut(proved.ID, "/")
	c.Headline, _ = report.Headline(specs)
	for _, result := range a.Run.Claims {
		if result.ID == proved.ID {
			c.Verdicts = append(c.Verdicts, familyVerdict{result.Family, result.Verdict})
			c.Open = c.Open || result.Verdict == report.Fail || result.Verdict == report.Broken
		}
	}
	// What did not pass comes first.
	order := make([]int, len(specs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(rank(specs[i].Verdict), rank(specs[j].Verdict)) })
	var packed []string
	for _, i := range order {
		of := specs[i]
		s := spec{
			SpecResult: of, Seconds: report.Value{Value: of.Seconds, Unit: report.Seconds}.String(),
			Rerun: of.Rerun,
		}
		s.Reason = strings.TrimSpace(of.Reason)
		if s.Rerun == "" {
			s.Rerun = command(a.Input, of.Claim, of.Family)
		}
		if of.Pcapng != "" {
			s.Link = template.URL(url.PathEscape(of.Pcapng))
		}
		for _, o := range of.Observations {
			s.Seen = append(s.Seen, seen{o.Name, report.Value{Value: o.Value, Unit: o.Unit}.String()})
		}
		switch {
		case drawings[i] == "":
		case rank(of.Verdict) == 0 && a.inline < mostInline:
			s.Drawing = template.HTML(drawings[i]) // package ladder has escaped what it holds
			a.inline++
		default:
			packed = append(packed, drawings[i])
			s.Packed = true
		}
		c.Specs = append(c.Specs, s)
	}
	if len(packed) > 0 {
		pack, err := a.packer.Pack(packed)
		if err != nil {
			return c, err
		}
		c.Pack = template.HTML(pack)
	}
	return c, nil
}

// rank is 0 for what did not pass, and 1 for the rest.
func rank(v report.Verdict) int {
	if v == report.Fail || v == report.Broken {
		return 0
	}
	return 1
}

// command is what proves a claim again, or all of the run.
func command(in Input, id string, family int) string {
	program := cmp.Or(in.Program, "halfopen")
	words := []string{program, "run"}
	if len(in.Run.Pair) > 0 {
		words = []string{program, "pairs", "--kernels", strings.Join(in.Run.Pair, ",")}
	}
	if id != "" {
		words = append(words, id)
	}
	if family != 0 {
		words = append(words, "--family", strconv.Itoa(family))
	}
	if len(in.Run.Pair) > 0 {
		return strings.Join(words, " ")
	}
	words = append(words, "--profile", in.Run.Profile)
	if in.Run.Sabotage != "" {
		words = append(words, "--sabotage", in.Run.Sabotage)
	}
	if in.Kernel != "" {
		words = append(words, "--kernel", in.Kernel, "--seed", strconv.FormatUint(in.Run.Seed, 10))
		if in.Run.Clock == "real" {
			words = append(words, "--clock", "real")
		}
	}
	return strings.Join(words, " ")
}

// named is what was run, as the command takes it: the stories alone of a run that was interrupted, for what it
// was to prove of them is not known.
func named(in Input) string {
	names := report.Selection(in.Catalogue, in.Run)
	if !in.Run.Complete {
		for i, name := range names {
			names[i], _, _ = strings.Cut(name, "/")
		}
		names = slices.Compact(names)
	}
	return strings.Join(names, " ")
}

// tally counts the results of a story by verdict, of all stories for "".
func tally(results []report.Result, name string) []count {
	var counts []count
	for _, v := range []report.Verdict{report.Pass, report.Fail, report.Broken, report.Unsupported} {
		n := 0
		for _, r := range results {
			of, _, _ := strings.Cut(r.ID, "/")
			if r.Verdict == v && (name == "" || of == name) {
				n++
			}
		}
		if n > 0 {
			counts = append(counts, count{v, n})
		}
	}
	return slices.Clip(counts)
}
