package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/halfopen/halfopen/harness/claim"
)

// KTAP writes a run in the Kernel Test Anything Protocol, version 1
// (https://docs.kernel.org/dev-tools/ktap.html), for those who run it beside kselftest and KUnit: a test for
// each story, and in it one for each claim and family. A story is written once it and those before it are
// decided, because its lines stand together. It may be used by many goroutines. What cannot be written is
// lost: the results' files are what counts.
//
// Unsupported is ok with SKIP, fail is not ok, and so is broken, with ERROR; what a plan has and the run did not
// get to is not ok with ERROR too.
type KTAP struct {
	// Folder is where the captures lie. Set it before Begin.
	Folder string

	mu      sync.Mutex
	w       io.Writer
	stories []ktapStory
	specs   map[decision][]SpecResult
	written int // stories
}

type ktapStory struct {
	name  string
	tests []Planned
}

// NewKTAP makes a writer of KTAP.
func NewKTAP(w io.Writer) *KTAP { return &KTAP{w: w, specs: map[decision][]SpecResult{}} }

// Begin writes the head and the plan.
func (k *KTAP) Begin(head string, plan []Planned) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, planned := range plan {
		name := storyOf(planned.Claim.ID)
		at := slices.IndexFunc(k.stories, func(s ktapStory) bool { return s.name == name })
		if at < 0 {
			k.stories = append(k.stories, ktapStory{name: name})
			at = len(k.stories) - 1
		}
		k.stories[at].tests = append(k.stories[at].tests, planned)
	}
	k.line("KTAP version 1")
	k.line("1..%d", len(k.stories))
	k.diagnose("", head)
}

// Start is told that a spec is running, which KTAP has no line for.
func (k *KTAP) Start(string) {}

// Done takes a decided spec.
func (k *KTAP) Done(spec SpecResult) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := decision{spec.Claim, spec.Family}
	k.specs[at] = append(k.specs[at], spec)
	for k.written < len(k.stories) && k.decided(k.stories[k.written]) {
		k.story()
	}
}

// Finish writes the stories that are not decided to the end. Nothing may be told to it afterwards.
func (k *KTAP) Finish(closing Closing) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for k.written < len(k.stories) {
		k.story()
	}
	k.diagnose("", fmt.Sprintf("results in %s, %s", closing.Folder, saySeconds(closing.Seconds)))
}

// Remark writes a diagnostic line.
func (k *KTAP) Remark(text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.diagnose("", text)
}

func (k *KTAP) decided(story ktapStory) bool {
	return !slices.ContainsFunc(story.tests, func(p Planned) bool { return len(k.specs[decision{p.Claim.ID, p.Family}]) < p.Specs })
}

// story writes the next story: its own version and plan, its tests, and its result.
func (k *KTAP) story() {
	story := k.stories[k.written]
	k.written++
	k.line("  KTAP version 1")
	k.line("  1..%d", len(story.tests))
	var verdicts []Verdict
	for i, planned := range story.tests {
		verdicts = append(verdicts, k.test(i+1, planned))
	}
	switch {
	case slices.ContainsFunc(verdicts, func(v Verdict) bool { return v == Fail || v == Broken }):
		k.line("not ok %d %s", k.written, story.name)
	case !slices.ContainsFunc(verdicts, func(v Verdict) bool { return v != Unsupported }):
		k.line("ok %d %s # SKIP all of it is unsupported", k.written, story.name)
	default:
		k.line("ok %d %s", k.written, story.name)
	}
}

// test writes a claim over a family, before its result what there is to know of every spec that did not pass.
func (k *KTAP) test(n int, planned Planned) Verdict {
	name := fmt.Sprintf("%s IPv%d", planned.Claim.ID, planned.Family)
	specs := k.specs[decision{planned.Claim.ID, planned.Family}]
	if len(specs) < planned.Specs {
		k.diagnose("  ", fmt.Sprintf("broken: %d of %d specs were decided when the run ended", len(specs), planned.Specs))
		k.line("  not ok %d %s # ERROR not decided", n, name)
		return Broken
	}
	result := Merge(specs)
	for _, spec := range specs {
		switch spec.Verdict {
		case Fail:
			k.explain(planned.Claim, spec, k.Folder)
		case Broken:
			k.diagnose("  ", "broken: "+oneLine(spec.Reason))
			k.explain(planned.Claim, spec, k.Folder)
		}
	}
	switch result.Verdict {
	case Unsupported:
		k.line("  ok %d %s # SKIP %s", n, name, oneLine(result.Reason))
	case Fail:
		k.line("  not ok %d %s", n, name)
	case Broken:
		k.line("  not ok %d %s # ERROR %s", n, name, oneLine(result.Reason))
	default:
		if said := phrases(specs); said != "" {
			k.diagnose("  ", name+": "+said)
		}
		k.line("  ok %d %s", n, name)
	}
	return result.Verdict
}

func (k *KTAP) explain(cl claim.Claim, spec SpecResult, folder string) {
	for _, line := range details(cl, inFolder(spec, folder)) {
		k.diagnose("  ", line)
	}
}

// diagnose writes a text as diagnostic lines.
func (k *KTAP) diagnose(indent, text string) {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		k.line("%s", strings.TrimRight(indent+"# "+line, " "))
	}
}

func (k *KTAP) line(format string, args ...any) { _, _ = fmt.Fprintf(k.w, format+"\n", args...) }
