package stage

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"github.com/halfopen/halfopen/harness/report"
)

// describe adds what the cables and the sockets of a spec that failed looked like: what its message cannot know. Of one
// that passed the capture tells it.
func (s *scene) describe() {
	var packets []string
	for _, conversation := range s.lab.Wire().Conversations() {
		packets = append(packets, strings.Split(strings.TrimSpace(conversation.String()), "\n")...)
	}
	AddReportEntry(evidenceEntry, evidence{
		Claim: s.claim.Text, Sources: strings.Join(s.claim.Sources, ", "), State: s.states(), Rerun: s.rerun(),
		Packets: report.Ladder(packets),
	}, ReportEntryVisibilityFailureOrVerbose)
}

// states says what the kernels think of the spec's sockets.
func (s *scene) states() string {
	var states []string
	for _, end := range s.ends {
		if !end.Host.lab.Up() {
			states = append(states, fmt.Sprintf("%s: the host is powered off", end))
			continue
		}
		snapshot, err := end.Host.lab.Socket(end.local, end.remote)
		if err != nil {
			states = append(states, fmt.Sprintf("%s: %v", end, err))
			continue
		}
		states = append(states, fmt.Sprintf("%s: %s, timer %s", end, snapshot.State, snapshot.Timer))
	}
	return strings.Join(states, "; ")
}

// evidence is what a spec that failed leaves beside its verdict.
type evidence struct {
	Claim, Sources, State, Rerun string
	Packets                      []string // as report.SpecResult has them
}

func (e evidence) String() string {
	return fmt.Sprintf("claim: %s\nsources: %s\nstate: %s\npackets:\n  %s\nagain: %s",
		e.Claim, e.Sources, e.State, strings.Join(report.Tail(e.Packets), "\n  "), e.Rerun)
}

// Result reads the result of a spec out of Ginkgo's report of it.
func Result(r types.SpecReport) report.SpecResult {
	id := Identify(r)
	result := report.SpecResult{
		Claim: id.Claim, Case: id.Case, Family: id.Family, Text: r.FullText(),
		Seconds: r.RunTime.Round(time.Microsecond).Seconds(),
		Output:  r.CapturedGinkgoWriterOutput,
	}
	var isBroken, isUnsupported bool
	for _, entry := range r.ReportEntries {
		switch value := entry.GetRawValue().(type) {
		case report.Observation:
			if slices.ContainsFunc(result.Observations, func(o report.Observation) bool { return o.Name == value.Name }) {
				isBroken = true
				r.Failure.Message = fmt.Sprintf("the spec observes %s twice, and one would be lost", value.Name)
				r.State = types.SpecStateFailed
			}
			result.Observations = append(result.Observations, value)
		case evidence:
			result.State, result.Packets, result.Rerun = value.State, value.Packets, value.Rerun
		case string:
			switch entry.Name {
			case brokenEntry:
				isBroken = true
			case unsupportedEntry:
				isUnsupported = true
			case pcapngEntry:
				result.Pcapng = value
			}
		}
	}
	result.Reason = r.Failure.Message
	switch {
	case r.State == types.SpecStatePassed:
		result.Verdict, result.Reason = report.Pass, ""
	case r.State == types.SpecStateSkipped && isUnsupported:
		result.Verdict = report.Unsupported
	case r.State == types.SpecStateFailed && !isBroken:
		result.Verdict = report.Fail
	default:
		// A stage that could not be set, a panic, a time-out of the tool, a spec skipped in silence.
		result.Verdict = report.Broken
		result.Reason = strings.TrimSpace(result.Reason + " " + r.Failure.ForwardedPanic)
	}
	if result.Verdict != report.Pass {
		location := r.Failure.Location
		result.Location = fmt.Sprintf("%s:%d", shortPath(location.FileName), location.LineNumber)
	}
	return result
}

// shortPath is a file's path from the top of the source on.
func shortPath(file string) string {
	for _, top := range []string{"/suites/", "/harness/"} {
		if i := strings.LastIndex(file, top); i >= 0 {
			return file[i+1:]
		}
	}
	return filepath.Base(file)
}
