package stage

import (
	"fmt"
	"os"

	"github.com/halfopen/halfopen/harness/kernel"
)

// The environment is how the runner tells a spec's process what to do; somebody who runs the specs
// with ginkgo or go test sets the first two by hand.
const (
	ProfileEnv  = "HALFOPEN_PROFILE"  // scaled (the default) or defaults
	OutEnv      = "HALFOPEN_OUT"      // a folder for the pcapng files; without it only a failed spec leaves one
	ClockEnv    = "HALFOPEN_CLOCK"    // real (the default) or virtual, on which windows have no slack
	SabotageEnv = "HALFOPEN_SABOTAGE" // takes a behaviour away, to see a spec fail
	specEnv     = "HALFOPEN_SPEC"     // the full text of the one spec to run
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

func orDefault(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// rerun is the command that runs just this claim again.
func (s *scene) rerun() string {
	return fmt.Sprintf("go run ./harness/cmd/halfopen run %s --family %d --profile %s", s.claim.ID, s.identity.Family, s.profile)
}
