package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"
)

// Schema names the shape of results.json, which fixtures/results.schema.json describes.
const Schema = "halfopen.results/v1"

// ResultsFile is what a run's results are called in its folder.
const ResultsFile = "results.json"

// Run is results.json.
type Run struct {
	Schema   string   `json:"schema"`
	Halfopen string   `json:"halfopen,omitempty"` // the version of the program that made it
	Kernel   Kernel   `json:"kernel"`
	Pair     []string `json:"pair,omitempty"`     // where the hosts were machines: the client's kernel and the server's, as they were asked for
	Clock    string   `json:"clock"`              // "real" or "virtual"
	Seed     uint64   `json:"seed,omitempty"`     // of everything random in the guest, if it was one
	Attempts int      `json:"attempts,omitempty"` // 2 if a guest died before its kernel was up and was started again, with another seed
	Profile  string   `json:"profile"`            // "scaled" or "defaults"
	Family   int      `json:"family,omitempty"`   // 4 or 6 if only that family was run
	Sabotage string   `json:"sabotage,omitempty"` // what was taken away behind the specs' backs: then a fail says nothing of the kernel
	Started  string   `json:"started"`            // RFC 3339 in UTC, see Stamp
	Seconds  float64  `json:"seconds"`            // how long the run took
	Complete bool     `json:"complete"`           // false: interrupted, claims are missing
	Claims   []Result `json:"claims"`
}

// Kernel is the kernel under test, as uname(2) gives it, and its CONFIG_HZ (0: not known).
type Kernel struct {
	Name    string `json:"name,omitempty"` // as it was asked for: debian:6.12; empty for the one that was running
	Release string `json:"release"`
	Version string `json:"version"`
	Machine string `json:"machine"`
	HZ      int    `json:"hz"`

	// Sysctls are the kernel's own values of the settings that claims depend on, as a new network
	// namespace has them before the profile is applied, by name; one that it does not have is missing.
	Sysctls map[string]string `json:"sysctls,omitempty"`
}

// Result is the verdict on one claim over one family.
type Result struct {
	ID           string           `json:"id"`
	Family       int              `json:"family"`
	Verdict      Verdict          `json:"verdict"`
	Seconds      float64          `json:"seconds"`
	Observations map[string]Value `json:"observations"`
	Reason       string           `json:"reason"`
	Pcapng       []string         `json:"pcapng"`
}

// Value is what was observed, with its unit.
type Value struct {
	Value any    `json:"value"`
	Unit  string `json:"unit"`
}

// Stamp writes a time as Run.Started has it.
func Stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Load reads a results.json, or that of a folder.
func Load(path string) (Run, error) {
	var run Run
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, ResultsFile)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return run, fmt.Errorf("there is no %s: `halfopen run` writes one, into the folder that --out names", path)
	}
	if err != nil {
		return run, fmt.Errorf("cannot read the results: %w", err)
	}
	if err := json.Unmarshal(data, &run); err != nil || run.Schema != Schema {
		return run, fmt.Errorf("%s holds no results of halfopen (%s): name the results.json of a run, or its folder", path, Schema)
	}
	return run, nil
}

// JSON renders results.json: indented, keys in a fixed order, a newline at the end.
func (r Run) JSON() ([]byte, error) {
	r.Schema = Schema
	r.Seconds = round(r.Seconds)
	if r.Claims == nil {
		r.Claims = []Result{}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return nil, fmt.Errorf("results.json could not be made: %w", err)
	}
	return out.Bytes(), nil
}

// UnmarshalJSON gives a whole number of bytes or of a count back as the int it was recorded as, which JSON's
// one kind of number does not tell.
func (v *Value) UnmarshalJSON(data []byte) error {
	type plain Value
	var read plain
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	if n, isNumber := read.Value.(float64); isNumber && (read.Unit == Count || read.Unit == Bytes) && n == math.Trunc(n) {
		read.Value = int(n)
	}
	*v = Value(read)
	return nil
}
