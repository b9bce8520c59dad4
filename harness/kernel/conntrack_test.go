package kernel_test

import (
	"errors"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/kernel"
)

func TestConntrackIsReadFromItsNamespace(t *testing.T) {
	inNamespace(t, func() {
		g := NewWithT(t)
		shipped, err := kernel.ReadConntrack()
		if errors.Is(err, os.ErrNotExist) {
			t.Skip("this kernel has no connection tracking, or has not loaded it")
		}
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(shipped.Established).To(Equal(5 * 24 * time.Hour))
		for _, s := range kernel.Scaled.ConntrackSettings() {
			g.Expect(kernel.SetSysctl(s.Name, s.Value)).To(Succeed())
		}
		g.Expect(kernel.SetSysctlInt("net.netfilter.nf_conntrack_tcp_loose", 0)).To(Succeed())
		scaled, err := kernel.ReadConntrack()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(scaled.Established).To(Equal(2 * time.Second))
		g.Expect(scaled.Loose).To(BeFalse())
		scaled.Established, scaled.Loose = shipped.Established, shipped.Loose
		g.Expect(scaled).To(Equal(shipped), "nothing else is set")
	})
	g := NewWithT(t)
	g.Expect(kernel.Defaults.ConntrackSettings()).To(BeEmpty())
}

func TestForwarding(t *testing.T) {
	inNamespace(t, func() {
		g := NewWithT(t)
		g.Expect(kernel.Forward()).To(Succeed())
		g.Expect(kernel.SysctlInt("net.ipv4.ip_forward")).To(Equal(1))
	})
}
