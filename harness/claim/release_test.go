package claim_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/kernel"
)

func TestTheReleasesAreSound(t *testing.T) {
	g := NewWithT(t)
	catalogue, err := claim.Load()
	g.Expect(err).NotTo(HaveOccurred())
	releases, err := catalogue.Releases()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(releases).NotTo(BeEmpty())
	last, point := kernel.Version{}, false
	for _, r := range releases {
		g.Expect(r.Change).To(MatchRegexp(`^[A-Z].*\.$`))
		g.Expect(r.Sources).NotTo(BeEmpty(), r.Change)
		g.Expect(len(r.Claims)+len(r.Features)).To(BeNumerically(">", 0), r.Change)
		for _, name := range r.Features {
			feature, err := kernel.FeatureNamed(name)
			g.Expect(err).NotTo(HaveOccurred())
			since, err := kernel.ParseRelease(r.Since)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(feature.Since).To(Equal(since), name)
		}
		if r.Since == "" {
			point = true
			continue
		}
		g.Expect(point).To(BeFalse(), "changes of point releases stand last")
		since, err := kernel.ParseRelease(r.Since)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(since.AtLeast(last)).To(BeTrue(), "%s is out of order", r.Since)
		last = since
	}

	// What the catalogue expects of a release has a note that explains it, and so has each feature.
	noted := func(since, id string) bool {
		return slices.ContainsFunc(releases, func(r claim.Release) bool { return r.Since == since && slices.Contains(r.Claims, id) })
	}
	for _, c := range catalogue.Claims() {
		for _, e := range c.Expects {
			g.Expect(e.Since == "" || noted(e.Since, c.ID)).To(BeTrue(), "%s since %s", c.ID, e.Since)
		}
		g.Expect(c.Since == "" || noted(c.Since, c.ID)).To(BeTrue(), "%s since %s", c.ID, c.Since)
	}
}

func TestAChangeLiesBetweenReleases(t *testing.T) {
	g := NewWithT(t)
	change := claim.Release{Since: "6.5"}
	g.Expect(change.Between([2]int{6, 1}, [2]int{6, 12})).To(BeTrue())
	g.Expect(change.Between([2]int{7, 0}, [2]int{5, 10})).To(BeTrue(), "whichever is older")
	g.Expect(change.Between([2]int{6, 5}, [2]int{6, 12})).To(BeFalse())
	g.Expect(change.Between([2]int{5, 10}, [2]int{6, 4})).To(BeFalse())
	g.Expect(claim.Release{}.Between([2]int{6, 12}, [2]int{6, 12})).To(BeTrue(), "a point release may")
}
