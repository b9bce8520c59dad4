package claim_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/claim"
)

func TestEveryRequirementThatAClaimNamesIsInTheTable(t *testing.T) {
	g := NewWithT(t)
	c, err := claim.Load()
	g.Expect(err).NotTo(HaveOccurred())
	requirements, err := c.Requirements()
	g.Expect(err).NotTo(HaveOccurred())
	known := map[string]bool{}
	for _, r := range requirements {
		g.Expect(r.ID).To(MatchRegexp(`^(MUST|SHLD|MAY)-[0-9]+$`))
		g.Expect(known).NotTo(HaveKey(r.Source()), "twice")
		known[r.Source()] = true
		g.Expect(r.Text).NotTo(BeEmpty(), r.ID)
		if r.Unobservable != "" {
			g.Expect(slices.Concat(r.Proved, r.Departs)).To(BeEmpty(), "%s cannot be seen from outside, and yet a claim names it", r.ID)
		}
	}
	numbered := regexp.MustCompile(`^RFC 9293 (MUST|SHLD|MAY)-`)
	for _, each := range c.Claims() {
		for _, source := range slices.Concat(each.Sources, each.Departs) {
			if numbered.MatchString(source) {
				g.Expect(known).To(HaveKey(source), "%s names it", each.ID)
			}
		}
	}
}

func TestARequirementKnowsWhatTheCatalogueHasOnIt(t *testing.T) {
	g := NewWithT(t)
	c, err := claim.Parse("claims.yaml", []byte(strings.Replace(good, "RFC 9293 3.3.2", "RFC 9293 MUST-12", 1)))
	g.Expect(err).NotTo(HaveOccurred())
	status := func(c *claim.Catalogue, id string) string {
		requirements, err := c.Requirements()
		g.Expect(err).NotTo(HaveOccurred())
		i := slices.IndexFunc(requirements, func(r claim.Requirement) bool { return r.ID == id })
		return requirements[i].Status()
	}
	g.Expect(status(c, "MUST-12")).To(Equal("proved"))
	g.Expect(status(c, "MUST-13")).To(Equal("open"))
	g.Expect(status(c, "MUST-44")).To(Equal("unobservable"))
	c, err = claim.Parse("claims.yaml", []byte(good+"        departs: [RFC 9293 MUST-23]\n"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(status(c, "MUST-23")).To(Equal("departs"))
}
