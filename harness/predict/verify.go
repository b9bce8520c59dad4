package predict

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/halfopen/halfopen/harness/report"
)

// Verdict is what a kernel made of a row.
type Verdict string

// The verdicts.
const (
	Agrees     Verdict = "agrees"
	Disagrees  Verdict = "disagrees"
	Unverified Verdict = "not verified"
)

// Check is a row held against what was measured.
type Check struct {
	Verdict  Verdict
	Measured time.Duration // the row's time; of a row that is never: how long it was watched. 0 if there is none
	Told     string        // what the application was told, as far as the spec observes it
	Reason   string        // why it is no agreement; empty if it is
}

// Provable tells whether a row can be staged within a patience (0: however long it takes), and why not.
func (r Row) Provable(patience time.Duration) (why string, provable bool) {
	switch {
	case r.Proof.Claim == "":
		return "no spec stages it", false
	case patience > 0 && r.Proof.Takes > patience:
		return "takes " + tidy(r.Proof.Takes), false
	}
	return "", true
}

// Proves tells whether a spec, by its claim and case, is the row's proof.
func (r Row) Proves(claim, kase string) bool { return r.Proof.Claim == claim && r.Proof.Case == kase }

// Judge holds the rows against the results of the specs that staged them, with the slack that the clock
// needs (stage.RealClockSlack). A row without a result is unverified; Provable may say why.
func Judge(rows []Row, specs []report.SpecResult, patience, slack time.Duration) []Check {
	checks := make([]Check, len(rows))
	for i, row := range rows {
		at := slices.IndexFunc(specs, func(s report.SpecResult) bool { return row.Proves(s.Claim, s.Case) })
		if at >= 0 {
			checks[i] = row.judge(specs[at], slack)
			continue
		}
		why, provable := row.Provable(patience)
		if provable {
			why = "its spec has no result"
		}
		checks[i] = Check{Verdict: Unverified, Reason: why}
	}
	return checks
}

func (r Row) judge(spec report.SpecResult, slack time.Duration) Check {
	reason, _, _ := strings.Cut(strings.TrimSpace(spec.Reason), "\n")
	switch spec.Verdict {
	case report.Pass:
	case report.Fail:
		return Check{Verdict: Disagrees, Reason: reason}
	default:
		return Check{Verdict: Unverified, Reason: string(spec.Verdict) + ": " + reason}
	}
	check := Check{Verdict: Agrees}
	measured, there := observed(spec, r.Proof.Measured).(float64)
	if !there {
		return Check{Verdict: Unverified, Reason: "the spec has not observed " + r.Proof.Measured}
	}
	check.Measured = time.Duration(measured * float64(time.Second))
	check.Told, _ = observed(spec, r.Proof.Told).(string)
	switch {
	case r.Never:
	case r.Proof.Told != "" && check.Told != r.Told:
		check.Verdict, check.Reason = Disagrees, fmt.Sprintf("the application was told %s", check.Told)
	case !r.Window.Plus(slack).Contains(check.Measured):
		check.Verdict, check.Reason = Disagrees, fmt.Sprintf("%v is not in %v", check.Measured, r.Window)
	}
	return check
}

// observed is the value of an observation, nil if there is none.
func observed(spec report.SpecResult, name string) any {
	for _, o := range spec.Observations {
		if o.Name == name {
			return o.Value
		}
	}
	return nil
}
