package claim_test

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/claim"
)

func TestTheCatalogueLoads(t *testing.T) {
	g := NewWithT(t)
	c, err := claim.Load()
	g.Expect(err).NotTo(HaveOccurred())

	var names []string
	total := 0
	for _, story := range c.Stories() {
		names = append(names, story.Name)
		g.Expect(c.ByStory(story.Name)).NotTo(BeEmpty(), story.Name)
		g.Expect(story.Title).NotTo(BeEmpty(), story.Name)
		total += len(c.ByStory(story.Name))
	}
	g.Expect(names).To(ContainElements("process-crash", "host-crash", "cable", "keepalive", "retransmission"))
	g.Expect(c.Claims()).To(HaveLen(total))
	for i, cl := range c.Claims() {
		found, known := c.ByID(cl.ID)
		g.Expect(known).To(BeTrue(), cl.ID)
		g.Expect(found).To(Equal(cl))
		g.Expect(c.Order(cl.ID)).To(Equal(i))
	}
	_, known := c.ByID("host-crash/none")
	g.Expect(known).To(BeFalse())
	g.Expect(c.Order("host-crash/none")).To(Equal(total))
}

// A level of an RFC's words needs an RFC among the sources; a documented claim needs a document.
func TestEveryLevelHasASourceThatCanGiveIt(t *testing.T) {
	g := NewWithT(t)
	c, err := claim.Load()
	g.Expect(err).NotTo(HaveOccurred())
	for _, cl := range c.Claims() {
		switch cl.Level {
		case "MUST", "SHOULD", "MAY":
			g.Expect(cl.Sources).To(ContainElement(HavePrefix("RFC ")), cl.ID)
		case "kernel-documented":
			g.Expect(slices.ContainsFunc(cl.Sources, func(s string) bool {
				return !strings.HasPrefix(s, "kernel ") && !strings.HasPrefix(s, "RFC ")
			})).To(BeTrue(), cl.ID)
		}
	}
}

func TestEverySabotageHasAMeaning(t *testing.T) {
	g := NewWithT(t)
	c, err := claim.Load()
	g.Expect(err).NotTo(HaveOccurred())
	for name, meaning := range c.Sabotages() {
		g.Expect(meaning).NotTo(BeEmpty(), name)
	}
}

func TestRunsIn(t *testing.T) {
	g := NewWithT(t)
	g.Expect(claim.Claim{}.RunsIn("scaled")).To(BeTrue())
	g.Expect(claim.Claim{Profile: "defaults"}.RunsIn("scaled")).To(BeFalse())
	g.Expect(claim.Claim{Profile: "defaults"}.RunsIn("defaults")).To(BeTrue())
}

const good = `sabotages:
  drop-fin: the switch drops every segment with FIN
stories:
  - name: cable
    title: a cable is pulled
    claims:
      - id: cable/unplug
        claim: Unplugging lasts 0.2 s here.
        level: observed
        sources: [RFC 9293 3.3.2]
        seed: §4
        sabotage: [drop-fin]
`

func TestAFaultyCatalogueIsRefusedWithItsLine(t *testing.T) {
	second := "\n" + good[strings.Index(good, "      - id:"):]
	for name, tc := range map[string]struct{ bad, says string }{
		"empty":               {"", "the catalogue is empty"},
		"no stories":          {"sabotages: {}\n", "has no stories"},
		"unknown key":         {strings.Replace(good, "seed:", "sead:", 1), "line 11: field sead not found"},
		"unknown top key":     {good + "extra: 1\n", "line 13: field extra not found"},
		"key twice":           {strings.Replace(good, "seed: §4", "level: MUST", 1), `line 11: mapping key "level" already defined`},
		"not yaml":            {"stories: [", "did not find expected node content"},
		"ID twice":            {good + second, `claims.yaml:14: the ID cable/unplug is used twice, first for "Unplugging`},
		"story twice":         {good + good[strings.Index(good, "  - name:"):], "the story cable is there twice"},
		"ID syntax":           {strings.Replace(good, "cable/unplug", "cable/Un_plug", 1), "no ID of the form"},
		"other story":         {strings.Replace(good, "cable/unplug", "host/unplug", 1), "stands in the story cable"},
		"no source":           {strings.Replace(good, "[RFC 9293 3.3.2]", "[]", 1), `claims.yaml:7: claim "cable/unplug" has no source`},
		"source missing":      {strings.Replace(good, "        sources: [RFC 9293 3.3.2]\n", "", 1), "has no source"},
		"empty source":        {strings.Replace(good, "[RFC 9293 3.3.2]", `[""]`, 1), "has an empty source"},
		"level":               {strings.Replace(good, "observed", "shall", 1), `has the level "shall"; the levels are MUST`},
		"small letter":        {strings.Replace(good, "Unplugging", "unplugging", 1), "must be one sentence"},
		"no full stop":        {strings.Replace(good, "here.", "here", 1), "must be one sentence"},
		"two sentences":       {strings.Replace(good, "lasts", "lasts. It", 1), "must be one sentence"},
		"no sabotage":         {strings.Replace(good, "[drop-fin]", "[]", 1), "has no sabotage"},
		"unknown sabotage":    {strings.Replace(good, "[drop-fin]", "[drop-fun]", 1), `has the sabotage "drop-fun", which is not`},
		"sabotage twice":      {strings.Replace(good, "[drop-fin]", "[drop-fin, drop-fin]", 1), "twice"},
		"departs":             {good + "        departs: [MUST-23]\n", `departs from "MUST-23", which is not`},
		"departs and must":    {strings.Replace(good, "observed", "MUST", 1) + "        departs: [RFC 9293 MUST-23]\n", "has the level of one"},
		"seed":                {strings.Replace(good, "§4", "four", 1), `has the seed "four"`},
		"profile":             {good + "        profile: quick\n", `has the profile "quick"`},
		"since, not a number": {good + "        feature: x\n        since: new\n", `has since "new"`},
		"since, no feature":   {good + "        since: \"6.15\"\n", "has since without feature"},
		"one expectation":     {good + expecting("{name: a, text: b}"), "has one expectation only"},
		"first with since":    {good + expecting(`{name: a, text: b, since: "5.4"}`, `{name: c, text: d, since: "6.5"}`), "has since in its first expectation"},
		"second without":      {good + expecting("{name: a, text: b}", "{name: c, text: d}"), `has the expectation "c" since "", which is not`},
		"expectation twice":   {good + expecting("{name: a, text: b}", `{name: a, text: d, since: "6.5"}`), `has the expectation "a" twice`},
		"no expectation text": {good + expecting("{name: a}", `{name: c, text: d, since: "6.5"}`), "has an expectation without name or text"},
		"out of order":        {good + expecting("{name: a, text: b}", `{name: c, text: d, since: "6.12"}`, `{name: e, text: f, since: "6.5"}`), `has the expectation "e" out of the order`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := claim.Parse("claims.yaml", []byte(tc.bad))
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(tc.says)))
		})
	}
	_, err := claim.Parse("claims.yaml", []byte(good))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

// expecting is a claim's expectations in YAML.
func expecting(rows ...string) string {
	return "        expects:\n          - " + strings.Join(rows, "\n          - ") + "\n"
}

func TestAReleaseIsExpectedToDoWhatTheLastChangeBeforeItMade(t *testing.T) {
	g := NewWithT(t)
	c, err := claim.Parse("claims.yaml", []byte(good+expecting("{name: doubling, text: doubles}",
		`{name: linear, text: four alike, since: "6.5"}`, `{name: newer, text: else, since: "6.12"}`)))
	g.Expect(err).NotTo(HaveOccurred())
	for release, name := range map[[2]int]string{
		{5, 10}: "doubling", {6, 4}: "doubling", {6, 5}: "linear", {6, 11}: "linear", {6, 12}: "newer", {7, 0}: "newer",
	} {
		expected, differ := c.Claims()[0].ExpectedOf(release[0], release[1])
		g.Expect(differ).To(BeTrue())
		g.Expect(expected.Name).To(Equal(name), "%v", release)
	}
	_, differ := claim.Claim{}.ExpectedOf(6, 5)
	g.Expect(differ).To(BeFalse())
}

func TestSelect(t *testing.T) {
	g := NewWithT(t)
	c, err := claim.Load()
	g.Expect(err).NotTo(HaveOccurred())

	g.Expect(c.Select(nil)).To(Equal(c.Claims()))
	g.Expect(c.Select([]string{"keepalive"})).To(Equal(c.ByStory("keepalive")))

	reboot, _ := c.ByID("host-crash/reboot-rst")
	selected, err := c.Select([]string{"cable", "host-crash/reboot-rst", "host-crash/reboot-rst"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(selected).To(Equal(append([]claim.Claim{reboot}, c.ByStory("cable")...)))
}

func TestAnUnknownNameGivesTheNearest(t *testing.T) {
	c, err := claim.Load()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var stories []string
	for _, story := range c.Stories() {
		stories = append(stories, story.Name)
	}
	all := "the stories are " + strings.Join(stories, ", ")
	for arg, says := range map[string]string{
		"hostcrash/reboot":      `no claim or story is called "hostcrash/reboot"; the nearest are host-crash/reboot-rst, host-crash`,
		"keep-alive":            `no claim or story is called "keep-alive"; the nearest is keepalive`,
		"reboot-rts":            `no claim or story is called "reboot-rts"; the nearest is host-crash/reboot-rst`,
		"cable/unplug-keep":     `no claim or story is called "cable/unplug-keep"; the nearest are cable/unplug-keeps-state, cable`,
		"Keepalive/Exact-Count": `no claim or story is called "Keepalive/Exact-Count"; the nearest are keepalive/exact-count, keepalive`,
		"zzz":                   `no claim or story is called "zzz"; ` + all,
		"":                      `no claim or story is called ""; ` + all,
	} {
		t.Run(arg, func(t *testing.T) {
			_, err := c.Select([]string{"cable", arg})
			NewWithT(t).Expect(err).To(MatchError(says))
		})
	}
}
