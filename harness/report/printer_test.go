package report

import (
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/claim"
)

func planOf(t *testing.T, entries ...Planned) []Planned {
	t.Helper()
	c, err := claim.Load()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for i, e := range entries {
		entries[i].Claim, _ = c.ByID(e.Claim.ID)
	}
	return entries
}

func planned(id string, family, specs int) Planned {
	return Planned{Claim: claim.Claim{ID: id}, Family: family, Specs: specs}
}

func seen(name string, value any) Observation {
	o, err := Observe(name, value)
	if err != nil {
		panic(err)
	}
	return o
}

// tell gives a printer one run with every verdict in it.
func tell(t *testing.T, p *Printer) {
	p.Begin("Linux 6.18.44, HZ 250, profile scaled", planOf(t,
		planned("host-crash/reboot-rst", 4, 2), planned("host-crash/reboot-rst", 6, 1),
		planned("keepalive/off-by-default", 4, 1), planned("retransmission/rto-max-sysctl-ladder", 4, 1),
		planned("retransmission/abort-retries2-5", 4, 1), planned("retransmission/tail-loss-probe-not-the-clock", 4, 1)))
	server := SpecResult{Claim: "host-crash/reboot-rst", Case: "server breaks", Family: 4, Verdict: Pass, Seconds: 1.92, Pcapng: "a",
		Observations: []Observation{seen("detected_after", 1.634), seen("errno", "ECONNRESET"), seen("retransmissions", 1), seen("rtt", 0.001)}}
	client := server
	client.Case, client.Pcapng = "client breaks", "b"
	client.Observations = []Observation{seen("detected_after", 1.601), seen("errno", "ECONNRESET"), seen("retransmissions", 2)}
	p.Start(server.Title())
	p.Start(client.Title())
	p.Done(server)
	p.Done(client)
	p.Done(SpecResult{Claim: "host-crash/reboot-rst", Family: 6, Verdict: Fail, Seconds: 3.25, Pcapng: "c.pcapng",
		Reason: "expected ECONNRESET\nseen     ETIMEDOUT", State: "gone", Packets: []string{"1.204 client > server data 14", "1.612 client > server data 14 again"},
		Location: "suites/hostcrash/reboot_test.go:42", Rerun: "halfopen run host-crash/reboot-rst --family 6"})
	p.Done(SpecResult{Claim: "keepalive/off-by-default", Family: 4, Verdict: Broken, Seconds: 0.012, Reason: "the lab could not be built: no veth"})
	p.Done(SpecResult{Claim: "retransmission/rto-max-sysctl-ladder", Family: 4, Verdict: Unsupported, Reason: "this kernel has no tcp_rto_max_ms (since 6.15)"})
	p.Done(SpecResult{Claim: "retransmission/abort-retries2-5", Family: 4, Verdict: Pass, Seconds: 13.524, Observations: []Observation{seen("aborted_after", 13.5), seen("errno", "ETIMEDOUT"), seen("retransmissions", 7)}})
}

const plain = `Linux 6.18.44, HZ 250, profile scaled

pass    host-crash/reboot-rst                         IPv4  1.92 s  detected after 1.60 to 1.63 s, ECONNRESET, 1 to 2 retransmissions (2 cases)
fail    host-crash/reboot-rst                         IPv6  3.25 s  expected ECONNRESET seen ETIMEDOUT
        claim    A rebooted host with no listener on the port answers the survivor's next retransmission with a RST.
        source   observed: RFC 9293 3.5.2, RFC 9293 3.10.7.1, kernel tcp_v4_send_reset, kernel tcp_v6_send_reset
        seen     expected ECONNRESET
                 seen     ETIMEDOUT
        state    gone
        packets  1.204 client > server data 14
                 1.612 client > server data 14 again
        capture  out/c.pcapng
        spec     suites/hostcrash/reboot_test.go:42
        again    halfopen run host-crash/reboot-rst --family 6

broken  keepalive/off-by-default                      IPv4   12 ms  the lab could not be built: no veth
        claim    Keepalive is off unless SO_KEEPALIVE is set.
        source   MUST: RFC 9293 MUST-24, RFC 9293 MUST-25, RFC 9293 MAY-5, socket(7) SO_KEEPALIVE, kernel tcp_keepalive_timer
        seen     the lab could not be built: no veth

unsupported  retransmission/rto-max-sysctl-ladder     IPv4     0 s  this kernel has no tcp_rto_max_ms (since 6.15)
pass    retransmission/abort-retries2-5               IPv4  13.5 s  aborted after 13.5 s, ETIMEDOUT, 7 retransmissions

story              pass   fail   broken   unsupported   not decided
host-crash            1      1        -             -             -
keepalive             -      -        1             -             -
retransmission        1      -        -             1             1
all                   2      1        1             1             1

slowest  retransmission/abort-retries2-5 IPv4 13.5 s, host-crash/reboot-rst IPv6 3.25 s, host-crash/reboot-rst IPv4 1.92 s
results  out/report.html, results.json, junit.xml, 3 captures
the run is incomplete: 2 pass, 1 fail, 1 broken, 1 unsupported in 14.1 s, 1 not decided
`

func TestPlainLines(t *testing.T) {
	var out strings.Builder
	p := New(&out, false, nil, false)
	p.Folder = "out"
	tell(t, p)
	p.Finish(Closing{Folder: "out", Seconds: 14.1})
	NewWithT(t).Expect(out.String()).To(Equal(plain))
}

func TestTheLastLineSaysHowItWent(t *testing.T) {
	for says, verdicts := range map[string][]Verdict{
		"every claim holds or is unsupported: 1 pass, 1 unsupported in 2.00 s":          {Pass, Unsupported},
		"this kernel breaks 1 claim: 1 fail, 1 broken in 2.00 s":                        {Fail, Broken},
		"the stage broke, which says nothing of the kernel: 1 pass, 1 broken in 2.00 s": {Pass, Broken},
		"the run is incomplete: 1 pass in 2.00 s, 1 not decided":                        {Pass},
		"the run is incomplete: nothing decided in 2.00 s, 2 not decided":               {},
		"this kernel breaks 1 claim: 2 fail in 2.00 s":                                  {Fail, Fail},
		"every claim holds or is unsupported: 2 pass in 2.00 s":                         {Pass, Pass},
		"the stage broke, which says nothing of the kernel: 2 broken in 2.00 s":         {Broken, Broken},
		"every claim holds or is unsupported: 2 unsupported in 2.00 s":                  {Unsupported, Unsupported},
	} {
		var out strings.Builder
		p := New(&out, false, nil, false)
		p.Begin("", planOf(t, planned("cable/link-down-up", 4, 1), planned("cable/link-down-up", 6, 1)))
		for i, v := range verdicts {
			p.Done(SpecResult{Claim: "cable/link-down-up", Family: 4 + 2*i, Verdict: v})
		}
		p.Finish(Closing{Seconds: 2})
		NewWithT(t).Expect(out.String()).To(HaveSuffix(says + "\n"))
	}
}

// frames splits what a terminal was sent into its redraws.
func frames(out string) []string { return strings.Split(out, "\r\x1b[K")[1:] }

func TestATerminalIsRedrawnTenTimesASecondAtMost(t *testing.T) {
	g := NewWithT(t)
	var out lockedBuilder
	clock := time.Unix(0, 0)
	p := New(&out, true, func() int { return 60 }, false)
	p.now = func() time.Time { return clock }
	p.Begin("head", planOf(t, planned("cable/link-down-up", 4, 1)))
	g.Expect(frames(out.String())).To(Equal([]string{"head\n\n0/1 decided  0.0 s"}))

	for range 50 {
		p.Start("retransmission/abort-retries2-5 IPv4")
		clock = clock.Add(time.Millisecond)
	}
	g.Expect(frames(out.String())).To(HaveLen(1))

	// What came too soon is drawn by one timer, without another event.
	g.Eventually(func() int { return len(frames(out.String())) }).Should(Equal(2))
	last := frames(out.String())[1]
	g.Expect(last).To(HavePrefix("0/1 decided  0.1 s  50 running: retrans"))
	g.Expect([]rune(last)).To(HaveLen(59))

	clock = clock.Add(time.Second)
	p.Done(SpecResult{Claim: "cable/link-down-up", Family: 4, Verdict: Pass, Seconds: 1.5, Observations: []Observation{seen("delivered_after", 0.4)}})
	p.Finish(Closing{Seconds: 1.1})
	all := frames(out.String())
	g.Expect(all[2]).To(HavePrefix("pass    cable/link-down-up  IPv4  1.50 s  delivered after 400 ms\n1/1 decided"))
	g.Expect(all[len(all)-1]).To(HaveSuffix("every claim holds or is unsupported: 1 pass in 1.10 s\n"))
}

func TestColourPaintsTheVerdictOnly(t *testing.T) {
	g := NewWithT(t)
	var out strings.Builder
	p := New(&out, false, nil, true)
	tell(t, p)
	g.Expect(out.String()).To(ContainSubstring("\n\x1b[32mpass\x1b[0m    host-crash/reboot-rst "))
	g.Expect(out.String()).To(ContainSubstring("\n\x1b[1;31mfail\x1b[0m    host-crash/reboot-rst "))
}

func TestManyGoroutinesMayUseAPrinter(t *testing.T) {
	var out lockedBuilder
	p := New(&out, true, func() int { return 80 }, true)
	plan := planOf(t, planned("cable/link-down-up", 4, 20))
	p.Begin("", plan)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			spec := SpecResult{Claim: "cable/link-down-up", Family: 4, Verdict: Pass}
			p.Start(spec.Title())
			p.Done(spec)
		})
	}
	group.Wait()
	p.Finish(Closing{})
	NewWithT(t).Expect(strings.Count(out.String(), "cable/link-down-up  IPv4")).To(Equal(1))
}

func TestSeconds(t *testing.T) {
	g := NewWithT(t)
	for seconds, says := range map[float64]string{
		0: "0 s", 0.0012: "1.20 ms", 0.204: "204 ms", 0.9996: "1.00 s", 1.634: "1.63 s", 9.996: "10.0 s",
		13.52: "13.5 s", 937.9: "937.9 s", 1044.4: "1044 s", 7200: "7200 s", -0.5: "-500 ms",
	} {
		g.Expect(saySeconds(seconds)).To(Equal(says))
	}
}

type lockedBuilder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuilder) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(data)
}

func (b *lockedBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
