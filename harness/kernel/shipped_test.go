package kernel_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/kernel"
)

func TestShippedSettingsAreThoseOfAnUntouchedNamespace(t *testing.T) {
	g := NewWithT(t)
	inNamespace(t, func() {
		g.Expect(kernel.Scaled.Apply()).To(Succeed())
		here, err := kernel.Sysctl("net.ipv4.tcp_retries2")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(here).To(Equal("3"))

		shipped, err := kernel.Shipped()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(shipped).To(HaveKeyWithValue("net.ipv4.tcp_retries2", "15"))
		g.Expect(shipped).To(HaveKeyWithValue("net.ipv4.tcp_keepalive_time", "7200"))
		g.Expect(kernel.Sysctl("net.ipv4.tcp_retries2")).To(Equal("3"), "the caller's namespace is its own again")
	})
	running, err := kernel.Running()
	g.Expect(err).NotTo(HaveOccurred())
	shipped, err := kernel.Shipped()
	g.Expect(err).NotTo(HaveOccurred())
	_, has := shipped["net.ipv4.tcp_syn_linear_timeouts"]
	g.Expect(has).To(Equal(running.Parsed.AtLeast(kernel.Version{6, 5})))
}
