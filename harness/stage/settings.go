package stage

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/kernel"
)

// The environment is how the runner tells a spec's process what to do; somebody who runs the specs
// with ginkgo or go test sets the first two by hand.
const (
	ProfileEnv  = "HALFOPEN_PROFILE"  // scaled (the default), defaults, or custom: with settings
	OutEnv      = "HALFOPEN_OUT"      // a folder for the pcapng files; without it only a failed spec leaves one
	ClockEnv    = "HALFOPEN_CLOCK"    // real (the default) or virtual, on which windows have no slack
	SabotageEnv = "HALFOPEN_SABOTAGE" // takes a behaviour away, to see a spec fail
	claimsEnv   = "HALFOPEN_CLAIMS"   // the claims they prove, as JSON
)

// virtualClock is the value of ClockEnv in a guest whose time is its own instructions.
const virtualClock = "virtual"

type settings struct {
	profile       kernel.Profile
	out, sabotage string
}

func environment() settings {
	profile, err := kernel.ParseProfile(orDefault(os.Getenv(ProfileEnv), string(kernel.Scaled)))
	mustStage(err)
	return settings{profile: profile, out: os.Getenv(OutEnv), sabotage: os.Getenv(SabotageEnv)}
}

// catalogue is read once in each process that needs all of it.
var catalogue = sync.OnceValues(claim.Load)

// ClaimsOf are the claims that the specs prove, from the catalogue. An error is met again, and told, by the
// specs.
func ClaimsOf(specs []Spec) (proved []claim.Claim) {
	all, err := catalogue()
	if err != nil {
		return nil
	}
	for _, spec := range specs {
		each, known := all.ByID(spec.Claim)
		if known && !contains(proved, each.ID) {
			proved = append(proved, each)
		}
	}
	return proved
}

func contains(claims []claim.Claim, id string) bool {
	return slices.ContainsFunc(claims, func(c claim.Claim) bool { return c.ID == id })
}

// passedClaims are those that the runner passed, none if there is no runner.
var passedClaims = sync.OnceValue(func() (claims []claim.Claim) {
	_ = json.Unmarshal([]byte(os.Getenv(claimsEnv)), &claims)
	return claims
})

// claimOf is the claim of that ID: one that the runner passed, or the catalogue's.
func claimOf(id string) (claim.Claim, error) {
	for _, proved := range passedClaims() {
		if proved.ID == id {
			return proved, nil
		}
	}
	all, err := catalogue()
	if err != nil {
		return claim.Claim{}, err
	}
	proved, known := all.ByID(id)
	if !known {
		return proved, fmt.Errorf("the spec proves %q, which is not in the catalogue of claims", id)
	}
	return proved, nil
}

func orDefault(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// rerun is the command that runs just this claim again; empty where only who asked for a custom profile
// knows how.
func (s *scene) rerun() string {
	if _, custom := s.profile.Custom(); custom {
		return ""
	}
	command := fmt.Sprintf("%s run %s --family %d --profile %s", program(), s.claim.ID, s.identity.Family, s.profile)
	if s.sabotage != "" {
		command += " --sabotage " + s.sabotage
	}
	return command
}

// program is how the reader runs this program: by the name of the command that is running, or from
// the checkout where it is a test or was built by `go run` and is gone when it ends.
func program() string {
	path, err := os.Executable()
	if err != nil || filepath.Base(path) != "halfopen" || strings.Contains(path, "go-build") {
		return "go run ./harness/cmd/halfopen"
	}
	return path
}
