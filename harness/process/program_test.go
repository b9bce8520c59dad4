package process_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/internal/testhost"
	"github.com/halfopen/halfopen/harness/process"
)

func shell(t *testing.T, script string) *process.Program {
	t.Helper()
	testhost.New(t)
	p, err := process.StartProgram(process.ProgramOptions{Name: "sh", Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"WORD=hello"}, Dir: "/"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func says(text string) func(process.Line) bool {
	return func(line process.Line) bool { return line.Text == text }
}

func TestAProgramIsHeardOnBothOfItsOutputs(t *testing.T) {
	g := NewWithT(t)
	p := shell(t, `echo $WORD; pwd >&2; read never; exec sleep 60`)
	first, err := p.Await(within(t, 5*time.Second), says("hello"))
	g.Expect(err).NotTo(HaveOccurred())
	second, err := p.Await(within(t, 5*time.Second), says("/"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(second.At).To(BeNumerically(">=", first.At))
	g.Expect(p.Lines()).To(HaveLen(2))
}

func TestAProgramThatEndsHasSaidAllThatItSays(t *testing.T) {
	g := NewWithT(t)
	p := shell(t, `echo goodbye`)
	_, err := p.Await(within(t, 5*time.Second), says("never"))
	g.Expect(err).To(MatchError(process.ErrDead))
	g.Expect(err).To(MatchError(ContainSubstring("goodbye")))
}

func TestAProgramIsFrozenAndKilled(t *testing.T) {
	g := NewWithT(t)
	p := shell(t, `echo up; exec sleep 60`)
	_, err := p.Await(within(t, 5*time.Second), says("up"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Freeze()).To(Succeed())
	death, err := p.Kill()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(death.String()).To(Equal("killed by SIGKILL"))
	_, err = p.Kill()
	g.Expect(err).To(MatchError(process.ErrDead))
}

func TestProgramsAreFoundWhereOrdinaryUsersDoNotLook(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("PATH", "/nowhere:/bin")
	path, err := process.FindProgram("sh")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.HasSuffix(path, "/sh")).To(BeTrue())
	_, err = process.FindProgram("no-such-program")
	g.Expect(err).To(MatchError(process.ErrNotInstalled))
	g.Expect(err).To(MatchError("no-such-program is not installed"))
}

func TestALineReadsAsPeopleReadIt(t *testing.T) {
	for text, want := range map[string]string{
		`using the "epoll" event method`:                                           `using the "epoll" event method`,
		`{"what":"accepted","at":5}`:                                               `accepted`,
		`{"what":"failed","text":"Get \"/hold\": unexpected EOF","at":5}`:          `failed: Get "/hold": unexpected EOF`,
		`{"what":"heard","text":"are you there?","from":"192.0.2.1:50000","at":5}`: `heard: are you there? (192.0.2.1:50000)`,
		`{"what":"migrated","from":"192.0.2.101:50000","at":5}`:                    `migrated (192.0.2.101:50000)`,
	} {
		if got := (process.Line{Text: text}).String(); got != want {
			t.Errorf("%s reads as %q, and was to as %q", text, got, want)
		}
	}
}
