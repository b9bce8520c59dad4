package stage

import (
	"encoding/json"
	"os"
	"regexp"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/report"
)

// Spec is a spec of this program, known without running it.
type Spec struct {
	Identity
	Text     string // unique
	Priority int    // Ginkgo's SpecPriority: about how many seconds it lasts
}

// Specs lists the specs that are linked into this program, in the order they are written.
func Specs() []Spec {
	var specs []Spec
	for _, r := range PreviewSpecs("halfopen").SpecReports {
		if r.LeafNodeType == types.NodeTypeIt {
			specs = append(specs, Spec{Identity: Identify(r), Text: r.FullText(), Priority: r.SpecPriority})
		}
	}
	return specs
}

// IsSpec tells whether this process is to run one spec and nothing else.
func IsSpec() bool { return os.Getenv(specEnv) != "" }

// RunSpec runs the one spec that the environment names (Environment) and returns the exit code:
// 0 passed or unsupported, 1 otherwise. Its result goes to the pipe that the runner reads.
func RunSpec() int {
	suiteConfig, reporterConfig := GinkgoConfiguration()
	suiteConfig.FocusStrings = []string{regexp.QuoteMeta(os.Getenv(specEnv)) + "$"}
	suiteConfig.Timeout = 0 // Ginkgo's hour is less than a keepalive with the kernel's defaults takes
	reporterConfig.Succinct, reporterConfig.NoColor = true, true
	RegisterFailHandler(Fail)
	var t testingT
	if !RunSpecs(&t, "halfopen", suiteConfig, reporterConfig) || t.failed {
		return 1
	}
	return 0
}

// Environment makes a process of this program run one spec.
func Environment(spec Spec, profile, out, sabotage string) []string {
	return []string{
		claimEnv + "=" + encodedClaim(spec.Claim),
		specEnv + "=" + spec.Text, ProfileEnv + "=" + profile, OutEnv + "=" + out, SabotageEnv + "=" + sabotage,
	}
}

// testingT is what RunSpecs needs of testing.T where there is no go test.
type testingT struct{ failed bool }

func (t *testingT) Fail() { t.failed = true }

// ResultsFD is the descriptor on which the process of one spec writes its messages, a JSON value
// each.
const ResultsFD = 3

// Message is what the process of one spec tells its runner.
type Message struct {
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

var _ = ReportAfterEach(func(r SpecReport) {
	if r.State == types.SpecStateSkipped && len(r.SpecEvents) == 0 {
		return // filtered out
	}
	result := Result(r)
	send(Message{Result: &result})
})
