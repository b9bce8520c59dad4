package predict

import (
	"encoding/json"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/fixtures"
	"github.com/halfopen/halfopen/harness/internal/jsonschema"
	"github.com/halfopen/halfopen/harness/report"
)

// measured is the result of a spec that passed.
func measured(t *testing.T, claim, kase string, observations map[string]any) report.SpecResult {
	t.Helper()
	result := report.SpecResult{Claim: claim, Case: kase, Verdict: report.Pass}
	for name, value := range observations {
		o, err := report.Observe(name, value)
		if err != nil {
			t.Fatal(err)
		}
		result.Observations = append(result.Observations, o)
	}
	return result
}

func TestAMeasurementIsHeldAgainstItsRow(t *testing.T) {
	at := func(result report.SpecResult) Check {
		rows := Predict(shipped(), 250)
		for i, check := range Judge(shipped(), 250, []report.SpecResult{result}, 0, 0) {
			if rows[i].Proves(result.Claim, result.Case) {
				return check
			}
		}
		t.Fatal("no row is proved by it")
		return Check{}
	}
	off := func(after float64, told string) report.SpecResult {
		return measured(t, detectedByData, report.HostOff, map[string]any{"noticed_after": after, "told": told})
	}
	g := NewWithT(t)
	g.Expect(at(off(937.9, "ETIMEDOUT"))).To(Equal(Check{Verdict: Agrees, Measured: 937900 * time.Millisecond, Told: "ETIMEDOUT"}))
	g.Expect(at(off(2000, "ETIMEDOUT"))).To(And(HaveField("Verdict", Disagrees), HaveField("Reason", ContainSubstring("is not in"))))
	g.Expect(at(off(937.9, "ECONNRESET"))).To(And(HaveField("Verdict", Disagrees), HaveField("Reason", ContainSubstring("told ECONNRESET"))))

	failed := off(937.9, "ETIMEDOUT")
	failed.Verdict, failed.Reason = report.Fail, "it did not\nat all"
	g.Expect(at(failed)).To(Equal(Check{Verdict: Disagrees, Reason: "it did not"}))
	failed.Verdict = report.Broken
	g.Expect(at(failed)).To(Equal(Check{Verdict: Unverified, Reason: "broken: it did not"}))

	silent := measured(t, detectedByData, report.HostOff, nil)
	g.Expect(at(silent).Verdict).To(Equal(Unverified))

	never := measured(t, detectedByData, report.ProcessFrozen, map[string]any{"undetected_for": 1185.3})
	g.Expect(at(never)).To(Equal(Check{Verdict: Agrees, Measured: 1185300 * time.Millisecond}))
}

// What is found out by looking may have been so for one look.
func TestALookIsLate(t *testing.T) {
	g := NewWithT(t)
	judge := func(after float64) Verdict {
		result := measured(t, "close/fin-wait2-clock-starts-at-close", "", map[string]any{"expired_after": after})
		checks := Judge(shipped(), 250, []report.SpecResult{result}, 0, 0)
		return checks[len(checks)-1].Verdict
	}
	g.Expect(judge(62.085)).To(Equal(Agrees))
	g.Expect(judge(62.2)).To(Equal(Disagrees))
	g.Expect(judge(59.99)).To(Equal(Disagrees))
}

// A lab's path that led to a longer timeout is judged by that, and only then.
func TestARowIsJudgedAtTheTimeoutThatWasMeasured(t *testing.T) {
	g := NewWithT(t)
	s := with(func(s *Settings) { s.Retries2, s.RTT = 8, 10*time.Millisecond })
	judge := func(after time.Duration, rto time.Duration) Check {
		result := measured(t, "window/silent-abort-count", "", map[string]any{"aborted_after": after, "rto": rto})
		rows := Predict(s, 250)
		for i, check := range Judge(s, 250, []report.SpecResult{result}, 0, 0) {
			if rows[i].Fault == windowClosedOff {
				return check
			}
		}
		return Check{}
	}
	g.Expect(judge(112*time.Second, 212*time.Millisecond)).To(And(HaveField("Verdict", Agrees), HaveField("RTO", BeZero())))
	g.Expect(judge(125*time.Second, 212*time.Millisecond).Verdict).To(Equal(Disagrees))
	g.Expect(judge(125*time.Second, 240*time.Millisecond)).To(And(HaveField("Verdict", Agrees), HaveField("RTO", 240*time.Millisecond)))
	g.Expect(Reasons([]Check{judge(125*time.Second, 240*time.Millisecond)})).To(Equal(" 1 is judged at an RTO of 240 ms, which the lab's path led to\n"))
}

func TestARowWithoutAResultSaysWhy(t *testing.T) {
	g := NewWithT(t)
	rows, checks := Predict(shipped(), 250), Judge(shipped(), 250, nil, time.Minute, 0)
	g.Expect(checks).To(HaveLen(len(rows)))
	for i, check := range checks {
		g.Expect(check.Verdict).To(Equal(Unverified))
		if rows[i].Proof.Takes > time.Minute {
			g.Expect(check.Reason).To(HavePrefix("takes "))
		} else {
			g.Expect(check.Reason).To(Equal("its spec has no result"))
		}
	}
	g.Expect(Reasons(checks)).To(ContainSubstring("not verified: takes 984."))
}

func TestAReportInJSON(t *testing.T) {
	g := NewWithT(t)
	rows := Predict(shipped(), 250)
	encoded, err := json.Marshal(Report{Kernel: report.Kernel{Release: "6.12.0", HZ: 250}, Settings: shipped(), Rows: rows, Checks: Judge(shipped(), 250, nil, 0, 0), Clock: "virtual",
		Within: 30 * time.Second, Advice: Advise(shipped(), 250, 30*time.Second)})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(jsonschema.Refused(fixtures.PredictionSchema, encoded)).To(BeEmpty())
	var read struct {
		Schema   string
		Within   float64
		Settings map[string]any
		Rows     []struct {
			State, Fault string
			Never        bool
			Window       *struct{ Floor, Ceiling float64 }
			Claims       []string
			Check        struct{ Verdict string }
		}
		Advice []struct{ Knob, Value string }
	}
	g.Expect(json.Unmarshal(encoded, &read)).To(Succeed())
	g.Expect(read.Schema).To(Equal(Schema))
	g.Expect(read.Within).To(Equal(30.0))
	g.Expect(read.Settings).To(HaveKeyWithValue("tcp_retries2", 15.0))
	g.Expect(read.Rows).To(HaveLen(len(rows)))
	g.Expect(read.Rows[2].Window.Floor).To(BeNumerically("~", 928.8, 0.1))
	g.Expect(read.Rows[1].Never).To(BeTrue())
	g.Expect(read.Rows[1].Window).To(BeNil())
	g.Expect(read.Advice[0].Value).To(Equal("5"))
}

// A plain prediction, nothing verified and nothing advised, is one by the schema too.
func TestAPlainReportInJSON(t *testing.T) {
	g := NewWithT(t)
	for _, s := range someSettings() {
		encoded, err := json.Marshal(Report{Kernel: report.Kernel{Release: "6.12.0", HZ: 250}, Settings: s, Rows: Predict(s, 250)})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(jsonschema.Refused(fixtures.PredictionSchema, encoded)).To(BeEmpty())
	}
}
