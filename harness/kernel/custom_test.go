package kernel_test

import (
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/kernel"
)

func TestACustomProfileIsItsOwnName(t *testing.T) {
	g := NewWithT(t)
	for _, custom := range []kernel.Custom{
		{Sysctls: map[string]int{}},
		{Sysctls: map[string]int{"tcp_retries2": 8, "tcp_keepalive_time": 600}},
		{Sysctls: map[string]int{"tcp_retries2": 8}, UserTimeout: 20 * time.Second, RTO: 284 * time.Millisecond},
	} {
		profile, err := kernel.ParseProfile(string(custom.Profile()))
		g.Expect(err).NotTo(HaveOccurred())
		read, is := profile.Custom()
		g.Expect(is).To(BeTrue())
		if len(custom.Sysctls) == 0 {
			custom.Sysctls = nil
		}
		g.Expect(read).To(Equal(custom))
	}
	g.Expect(kernel.Custom{Sysctls: map[string]int{"tcp_retries2": 8, "tcp_keepalive_time": 600}, UserTimeout: 20 * time.Second}.Profile()).
		To(BeEquivalentTo("custom:tcp_keepalive_time=600,tcp_retries2=8,user_timeout=20s"))
	for _, profile := range []kernel.Profile{kernel.Scaled, kernel.Defaults} {
		_, is := profile.Custom()
		g.Expect(is).To(BeFalse())
	}
}

func TestACustomProfileThatIsNotUnderstoodSaysWhichSetting(t *testing.T) {
	g := NewWithT(t)
	for _, setting := range []string{"tcp_retries2=many", "user_timeout=soon", "rto=", "../x=1", "tcp_retries2"} {
		_, err := kernel.ParseProfile("custom:tcp_retries1=2," + setting)
		g.Expect(err).To(MatchError(ContainSubstring("the profile's setting %q is not understood", setting)))
	}
}

func TestACustomProfileIsSetOnTopOfWhatEveryProfilePins(t *testing.T) {
	inNamespace(t, func() {
		g := NewWithT(t)
		profile := kernel.Custom{Sysctls: map[string]int{"tcp_retries2": 8, "tcp_early_retrans": 0}}.Profile()
		g.Expect(profile.Apply()).To(Succeed())
		g.Expect(kernel.SysctlInt("net.ipv4.tcp_retries2")).To(Equal(8))
		g.Expect(kernel.SysctlInt("net.ipv4.tcp_early_retrans")).To(Equal(0), "which is pinned to 3 otherwise")
		g.Expect(kernel.SysctlInt("net.ipv4.tcp_no_metrics_save")).To(Equal(1))

		lacking := kernel.Custom{Sysctls: map[string]int{"tcp_no_such_thing": 1}}.Profile()
		g.Expect(lacking.Apply()).To(MatchError(os.ErrNotExist), "what is asked for must be there")
	})
}

func TestANewNamespaceHasTheShippedTimeouts(t *testing.T) {
	running, err := kernel.Running()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	inNamespace(t, func() {
		g := NewWithT(t)
		g.Expect(kernel.ReadTimeouts()).To(Equal(kernel.ShippedTimeouts(running.Parsed)))
	})
}
