package baseline

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/report"
)

// Schema names the shape of a baseline, which fixtures/baseline.schema.json describes.
const Schema = "halfopen.baseline/v1"

// Baseline is what one kernel did.
type Baseline struct {
	Schema    string        `json:"schema"`
	Name      string        `json:"name"`      // debian-6.12; the release if the kernel has no name
	Reproduce string        `json:"reproduce"` // the command that makes the run again
	Kernel    report.Kernel `json:"kernel"`
	Clock     string        `json:"clock"`
	Seed      uint64        `json:"seed,omitempty"`
	Profile   string        `json:"profile"`
	Family    int           `json:"family,omitempty"`
	Claims    []Verdict     `json:"claims"`
}

// Verdict is a report.Result without what differs between two runs of one kernel.
type Verdict struct {
	ID           string                  `json:"id"`
	Family       int                     `json:"family"`
	Verdict      report.Verdict          `json:"verdict"`
	Observations map[string]report.Value `json:"observations"`
	Reason       string                  `json:"reason,omitempty"`
}

// Of makes the baseline of a run. A run that was interrupted or sabotaged makes none.
func Of(catalogue *claim.Catalogue, run report.Run) (Baseline, error) {
	switch {
	case run.Sabotage != "":
		return Baseline{}, fmt.Errorf("it was made under the sabotage %s, and says nothing of the kernel", run.Sabotage)
	case !run.Complete:
		return Baseline{}, fmt.Errorf("it was interrupted: run it to its end")
	case len(run.Claims) == 0:
		return Baseline{}, fmt.Errorf("nothing was decided in it")
	}
	b := Baseline{
		Schema: Schema, Name: NameOf(cmp.Or(run.Kernel.Name, run.Kernel.Release)), Kernel: run.Kernel,
		Clock: run.Clock, Seed: run.Seed, Profile: run.Profile, Family: run.Family, Reproduce: Reproduce(catalogue, run),
	}
	for _, result := range run.Claims {
		b.Claims = append(b.Claims, Verdict{
			ID: result.ID, Family: result.Family, Verdict: result.Verdict,
			Observations: result.Observations, Reason: result.Reason,
		})
	}
	return b, nil
}

// NameOf is a kernel's name or release as the name of a file: debian-6.12 for debian:6.12, vmlinuz-6.1 for
// /boot/vmlinuz-6.1,/lib/modules/6.1.
func NameOf(kernel string) string {
	kernel, _, _ = strings.Cut(kernel, ",")
	safe := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._+", r) {
			return r
		}
		return '-'
	}, path.Base(kernel)), ".-")
	return cmp.Or(safe, "kernel")
}

// Run is the run that the baseline was made of, as far as it keeps it.
func (b Baseline) Run() report.Run {
	run := report.Run{
		Schema: report.Schema, Kernel: b.Kernel, Clock: b.Clock, Seed: b.Seed, Profile: b.Profile, Family: b.Family, Complete: true,
	}
	for _, verdict := range b.Claims {
		run.Claims = append(run.Claims, report.Result{
			ID: verdict.ID, Family: verdict.Family, Verdict: verdict.Verdict,
			Observations: verdict.Observations, Reason: verdict.Reason, Pcapng: []string{},
		})
	}
	return run
}

// Reproduce is the command that makes a run again.
func Reproduce(catalogue *claim.Catalogue, run report.Run) string {
	command := append([]string{"halfopen", "run"}, report.Selection(catalogue, run)...)
	if run.Kernel.Name != "" {
		command = append(command, "--kernel", run.Kernel.Name, "--seed", strconv.FormatUint(run.Seed, 10))
		if run.Clock == "real" {
			command = append(command, "--clock", "real")
		}
	}
	command = append(command, "--profile", run.Profile)
	if run.Family != 0 {
		command = append(command, "--family", strconv.Itoa(run.Family))
	}
	return strings.Join(command, " ")
}

// JSON renders the baseline: what it is of indented, then a line a verdict, keys in a fixed order.
func (b Baseline) JSON() ([]byte, error) {
	claims := b.Claims
	b.Claims = nil
	head, err := encode(b, "  ")
	if err != nil {
		return nil, err
	}
	// What was indented ends in `"claims": null`, a line break and a brace.
	out := bytes.NewBuffer(bytes.TrimSuffix(bytes.TrimSpace(head), []byte("null\n}")))
	out.WriteString("[")
	for i, verdict := range claims {
		line, err := encode(verdict, "")
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out.WriteString(",")
		}
		out.WriteString("\n    ")
		out.Write(bytes.TrimSpace(line))
	}
	out.WriteString("\n  ]\n}\n")
	return out.Bytes(), nil
}

func encode(value any, indent string) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("the baseline could not be made: %w", err)
	}
	return out.Bytes(), nil
}

// Parse reads a baseline; ok is false if the text is none.
func Parse(data []byte) (b Baseline, ok bool) {
	err := json.Unmarshal(data, &b)
	return b, err == nil && b.Schema == Schema
}
