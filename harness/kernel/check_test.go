package kernel

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

// A feature that no kernel has: the probe is real, what it looks for is not.
func absent(name string, since Version) Feature {
	return Feature{Name: name, What: "sysctl tcp_no_such_thing", Since: since, How: "CONFIG_NO_SUCH_THING",
		probe: sysctlProbe("net.ipv4.tcp_no_such_thing")}
}

func TestCheckHoldsTheProbeAgainstTheRelease(t *testing.T) {
	g := NewWithT(t)
	info := Info{Release: "6.12.1-test", Parsed: Version{6, 12, 1}}

	var unsupported *Unsupported
	err := Check(absent("later", Version{6, 15}), info)
	g.Expect(errors.As(err, &unsupported)).To(BeTrue())
	g.Expect(err).To(MatchError("kernel 6.12.1-test has no sysctl tcp_no_such_thing (since 6.15)"))
	g.Expect(err).To(MatchError(ErrNotSupported))

	err = Check(absent("configured", Version{}), info)
	g.Expect(errors.As(err, &unsupported)).To(BeTrue())
	g.Expect(err).To(MatchError(ContainSubstring("configured without CONFIG_NO_SUCH_THING")))

	var missing *Missing
	err = Check(absent("earlier", Version{6, 11}), info)
	g.Expect(errors.As(err, &missing)).To(BeTrue())
	g.Expect(err).To(MatchError(ContainSubstring("must have sysctl tcp_no_such_thing (since 6.11)")))
	g.Expect(errors.Is(err, ErrNotSupported)).To(BeFalse(), "a failure of the kernel is not the lack of a feature")

	present := Feature{Name: "present", Since: Version{99}, probe: sysctlProbe("net.ipv4.tcp_retries2")}
	g.Expect(Check(present, info)).To(Succeed(), "brought to an older release by a distribution")
}

func TestOnlyDefinitiveAnswersAreKept(t *testing.T) {
	g := NewWithT(t)
	t.Cleanup(func() { answers.Delete("kept") }) // for -count
	asked, answer := 0, error(unix.EPERM)
	f := Feature{Name: "kept", probe: func() error { asked++; return answer }}
	for range 2 {
		err := f.Probe()
		g.Expect(err).To(MatchError(unix.EPERM))
		g.Expect(errors.Is(err, ErrNotSupported)).To(BeFalse())
		g.Expect(Check(f, Info{})).To(MatchError(ContainSubstring("could not be executed")))
	}
	g.Expect(asked).To(Equal(4))
	answer = ErrNotSupported
	for range 2 {
		g.Expect(f.Probe()).To(MatchError(ErrNotSupported))
	}
	g.Expect(asked).To(Equal(5))
	g.Expect(Feature{Name: "none"}.Probe()).To(MatchError(ContainSubstring("has no probe")))
}
