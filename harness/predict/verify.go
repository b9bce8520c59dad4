package predict

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/timing"
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
	RTO      time.Duration // by which it was judged, where the lab's path led to another one than is predicted; else 0
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

// Judge holds the rows of Predict against the results of the specs that staged them, with the slack that the
// clock needs (stage.RealClockSlack), and gives a check for each. A row without a result is unverified.
//
// A spec that fills a window writes much and sees acknowledgements delayed, so that its RTO may be longer
// than the round trip asked for leads to. It observes its RTO, and the row is judged at that one then.
func Judge(settings Settings, hz int, specs []report.SpecResult, patience, slack time.Duration) []Check {
	rows := Predict(settings, hz)
	least, most := settings.RTO(timing.Wheel{HZ: hz})
	checks := make([]Check, len(rows))
	for i, row := range rows {
		at := slices.IndexFunc(specs, func(s report.SpecResult) bool { return row.Proves(s.Claim, s.Case) })
		if at >= 0 {
			checks[i] = row.judge(specs[at], least, most, slack)
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

func (r Row) judge(spec report.SpecResult, leastRTO, mostRTO, slack time.Duration) Check {
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
	check.Measured = inSeconds(measured)
	window := r.Window
	if rto, there := observed(spec, "rto").(float64); there && r.at != nil {
		// Observations are rounded to microseconds, and so are no whole jiffies at every HZ.
		if rto := inSeconds(rto); rto < leastRTO-time.Microsecond || rto > mostRTO+time.Microsecond {
			check.RTO, window = rto, r.at(rto)
		}
	}
	check.Told, _ = observed(spec, r.Proof.Told).(string)
	if r.Proof.Looked {
		// A window is looked at 32 times, and a look takes its time: 62.08 s were read of a window to 62.05 s.
		slack += (window.Ceiling-window.Floor)/32 + looking
	}
	switch {
	case r.Never:
	case r.Proof.Told != "" && check.Told != r.Told:
		check.Verdict, check.Reason = Disagrees, fmt.Sprintf("the application was told %s", check.Told)
	case !window.Plus(slack).Contains(check.Measured):
		check.Verdict, check.Reason = Disagrees, fmt.Sprintf("%v is not in %v", check.Measured, window)
	}
	return check
}

// looking is how long a look at a socket may take, in a guest.
const looking = 10 * time.Millisecond

func inSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// observed is the value of an observation, nil if there is none.
func observed(spec report.SpecResult, name string) any {
	for _, o := range spec.Observations {
		if o.Name == name {
			return o.Value
		}
	}
	return nil
}
