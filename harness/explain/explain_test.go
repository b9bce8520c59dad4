package explain_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/baseline"
	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/explain"
	"github.com/halfopen/halfopen/harness/report"
)

func explained(t *testing.T, id string, kernels ...baseline.Baseline) string {
	t.Helper()
	g := NewWithT(t)
	catalogue, err := claim.Load()
	g.Expect(err).NotTo(HaveOccurred())
	proved, known := catalogue.ByID(id)
	g.Expect(known).To(BeTrue())
	told, err := explain.Of(catalogue, proved, []explain.Spec{
		{Text: "answers", Case: "server breaks", Families: []int{4, 6}}, {Text: "answers too", Families: []int{4}},
	}, kernels)
	g.Expect(err).NotTo(HaveOccurred())
	text := told.Text(80)
	for line := range strings.SplitSeq(text, "\n") {
		g.Expect(utf8.RuneCountInString(line)).To(BeNumerically("<=", 80), line)
	}
	return text
}

func verdict(id string, family int, v report.Verdict, pairs ...any) baseline.Verdict {
	observed := map[string]report.Value{}
	for i := 0; i < len(pairs); i += 3 {
		observed[pairs[i].(string)] = report.Value{Value: pairs[i+1], Unit: pairs[i+2].(string)}
	}
	return baseline.Verdict{ID: id, Family: family, Verdict: v, Observations: observed}
}

func TestAClaimIsExplained(t *testing.T) {
	g := NewWithT(t)
	text := explained(t, "open/syn-default-lifetime")
	for _, said := range []string{
		"open/syn-default-lifetime\n    By default connect(2) gives up",
		"written    ip-sysctl tcp_syn_retries\n           ip-sysctl tcp_syn_linear_timeouts\n",
		"kernel     tcp_write_timeout\n",
		"departs    RFC 9293 MUST-23  R2 of a SYN is at least 3 minutes\n",
		"needs      the profile defaults",
		"staged     [server breaks] answers\n           answers too (over IPv4 alone)\n",
		"must fail  other-release     the spec expects",
		"expected   before 6.5  sends seven SYNs and gives up after 127 s\n           since 6.5   sends eleven",
		"releases   6.5  The first four timeouts",
		"kernels    this program carries no baseline of another kernel",
		"prove it   halfopen run open/syn-default-lifetime --kernel debian:6.12, and with\n           --sabotage other-release see it fail\n",
	} {
		g.Expect(text).To(ContainSubstring(said))
	}
	g.Expect(explained(t, "reset/destroy-orphan")).To(ContainSubstring("needs      SOCK_DESTROY, which takes CONFIG_INET_DIAG_DESTROY; without it"))
	g.Expect(explained(t, "retransmission/rto-min-sysctl")).To(ContainSubstring("needs      sysctl tcp_rto_min_us, in kernels since 6.11; without it"))
}

func TestWhatOtherKernelsDo(t *testing.T) {
	const id = "host-crash/reboot-rst"
	text := explained(t, id,
		baseline.Baseline{Name: "debian-5.10", Claims: []baseline.Verdict{verdict("open/refused", 4, report.Pass)}},
		baseline.Baseline{Name: "debian-6.1", Claims: []baseline.Verdict{
			verdict(id, 4, report.Pass, "server_breaks.detected_after", 1.6, "s", "client_breaks.detected_after", 1.7, "s", "server_breaks.errno", "EPIPE", ""),
			verdict(id, 6, report.Pass, "server_breaks.detected_after", 1.6, "s", "client_breaks.detected_after", 1.7, "s", "server_breaks.errno", "EPIPE", ""),
		}},
		baseline.Baseline{Name: "debian-6.12", Claims: []baseline.Verdict{
			verdict(id, 4, report.Pass, "probes", 1, "1"), verdict(id, 6, report.Unsupported),
		}},
	)
	NewWithT(t).Expect(text).To(ContainSubstring(`
kernels    debian-5.10       not run
           debian-6.1        pass, 1.60 to 1.70 s EPIPE
           debian-6.12 IPv4  pass, 1 probe
           debian-6.12 IPv6  unsupported
`))
}
