package stage

import (
	"fmt"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"github.com/halfopen/halfopen/harness/spec"
)

// Labels carry what the tools must know of a spec; nobody types them by hand. Ginkgo allows no
// slash in a label, so a claim's is written with a dot.
const (
	claimLabel  = "claim:"
	caseLabel   = "case:"
	familyLabel = "IPv"
)

// Story holds the specs of one story, each over IPv4 and over IPv6.
func Story(name string, body func()) bool {
	return Describe(name, func() {
		for _, family := range []int{4, 6} {
			label := familyLabel + strconv.Itoa(family)
			text := "over " + label
			if spec.Contains(name + " " + text) {
				Context(text, Label(label), func() { spec.Contain(name+" "+text, body) })
			}
		}
	})
}

// Claim decorates a spec with the claim it proves, by its ID in fixtures/claims.yaml.
func Claim(id string) Labels {
	return Label(claimLabel + strings.Replace(id, "/", ".", 1))
}

// Case decorates a spec that is one of several which prove the same claim together.
func Case(format string, args ...any) Labels {
	return Label(caseLabel + fmt.Sprintf(format, args...))
}

// Side is the end of the connection at which something breaks.
type Side int

// The two sides.
const (
	ServerBreaks Side = iota
	ClientBreaks
)

func (s Side) String() string {
	if s == ServerBreaks {
		return "server breaks"
	}
	return "client breaks"
}

// ItOnEitherSide is a spec for each side that can break, on a fresh connection between two hosts.
func ItOnEitherSide(text string, claim Labels, body func(ctx SpecContext, broken, survivor *End), decorators ...any) {
	for _, side := range []Side{ServerBreaks, ClientBreaks} {
		spec.It(text+", when the "+side.String(), claim, Case("%s", side), decorators, func(ctx SpecContext) {
			client, server := Pair(ctx)
			broken, survivor := Connect(ctx, client, server).Split(side)
			body(ctx, broken, survivor)
		})
	}
}

// Identity is what a spec's labels say of it.
type Identity struct {
	Claim, Case string
	Family      int
}

// Identify reads the labels of a spec.
func Identify(report types.SpecReport) Identity {
	var id Identity
	for _, label := range report.Labels() {
		if value, ok := strings.CutPrefix(label, claimLabel); ok {
			id.Claim = strings.Replace(value, ".", "/", 1)
		} else if value, ok := strings.CutPrefix(label, caseLabel); ok {
			id.Case = value
		} else if value, ok := strings.CutPrefix(label, familyLabel); ok {
			id.Family, _ = strconv.Atoi(value)
		}
	}
	return id
}

// FileName is a name for the spec's files: claim, case and family without a character that a file
// system or a shell minds.
func (id Identity) FileName() string {
	words := id.Claim
	if id.Case != "" {
		words += "-" + id.Case
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		case r == '=':
			return '_'
		}
		return '-'
	}, words) + "-ipv" + strconv.Itoa(id.Family)
}
