package stage

import (
	"encoding/json"
	"os"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/spec"
)

// suiteName is what Ginkgo calls all of them together.
const suiteName = "halfopen"

// Spec is a spec of this program, known without running it.
type Spec struct {
	Identity
	Text     string // unique
	Priority int    // Ginkgo's SpecPriority: about how many seconds it lasts
}

// Specs lists the specs that are linked into this program, in the order they are written.
func Specs() []Spec {
	var specs []Spec
	for _, r := range PreviewSpecs(suiteName).SpecReports {
		if r.LeafNodeType == types.NodeTypeIt {
			specs = append(specs, Spec{Identity: Identify(r), Text: r.FullText(), Priority: r.SpecPriority})
		}
	}
	return specs
}

// IsSpec tells whether this process is to run the specs of a runner and nothing else.
func IsSpec() bool { return spec.Chosen() != nil }

// RunSpec runs the specs that the environment names (Environment), one after another, and returns
// the exit code: 0 if all passed or are unsupported, 1 otherwise. Their results go to the pipe that
// the runner reads.
func RunSpec() int {
	if os.Getenv(ClockEnv) == virtualClock {
		letWatchSleep()
	}
	suiteConfig, reporterConfig := GinkgoConfiguration()
	suiteConfig.RandomSeed = 1 // the same order every time
	suiteConfig.Timeout = 0    // Ginkgo's hour is less than a keepalive with the kernel's defaults takes
	reporterConfig.Succinct, reporterConfig.NoColor = true, true
	RegisterFailHandler(spec.Fail)
	var t testingT
	if !RunSpecs(&t, suiteName, suiteConfig, reporterConfig) || t.failed {
		return 1
	}
	return 0
}

// Environment makes a process of this program run specs. The claims are those that they prove, and others:
// reading the whole catalogue there would be a tenth of all that the process computes.
func Environment(specs []Spec, claims []claim.Claim, profile, out, sabotage string) []string {
	var texts []string
	proved := map[string]bool{}
	for _, spec := range specs {
		texts = append(texts, spec.Text)
		proved[spec.Claim] = true
	}
	encoded, err := json.Marshal(slices.DeleteFunc(slices.Clone(claims), func(c claim.Claim) bool { return !proved[c.ID] }))
	if err != nil {
		encoded = nil // the process reads the catalogue then
	}
	return []string{
		claimsEnv + "=" + string(encoded),
		spec.Env + "=" + strings.Join(texts, "\n"), ProfileEnv + "=" + profile, OutEnv + "=" + out, SabotageEnv + "=" + sabotage,
	}
}

// testingT is what RunSpecs needs of testing.T where there is no go test.
type testingT struct{ failed bool }

func (t *testingT) Fail() { t.failed = true }

// The descriptors of a process that runs specs for a runner: on the first it writes its messages, a
// JSON value each; from the second it reads a byte before each spec but its first.
const (
	ResultsFD = 3
	TurnFD    = 4
)

// Message is what the process of some specs tells its runner.
type Message struct {
	Begun  string             `json:"begun,omitempty"`  // the spec of that text begins
	Staged bool               `json:"staged,omitempty"` // the stage is set, the waiting begins
	Result *report.SpecResult `json:"result,omitempty"` // the spec is decided
}

// send writes a message if a runner listens.
func send(m Message) {
	if !IsSpec() {
		return
	}
	// A descriptor of its own for each message: an os.File closes what it was given when it is
	// collected as garbage, and the next message would find ResultsFD closed.
	fd, err := unix.FcntlInt(ResultsFD, unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return
	}
	results := os.NewFile(uintptr(fd), "results")
	defer results.Close()
	// A runner that is gone takes this process with it; there is nobody to tell of an error.
	_ = json.NewEncoder(results).Encode(m)
}

// begun counts the specs that this process has begun.
var begun int

var _ = ReportBeforeEach(func(r SpecReport) {
	if !IsSpec() {
		return
	}
	if begun++; begun > 1 {
		awaitTurn()
	}
	send(Message{Begun: r.FullText()})
})

// awaitTurn waits until the runner lets the next spec set its stage. A runner that is gone takes
// this process with it.
func awaitTurn() {
	turn := make([]byte, 1)
	for {
		if _, err := unix.Read(TurnFD, turn); err != unix.EINTR {
			return
		}
	}
}

var _ = ReportAfterEach(func(r SpecReport) {
	if !IsSpec() {
		return
	}
	result := Result(r)
	send(Message{Result: &result})
})
