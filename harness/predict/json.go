package predict

import (
	"encoding/json"
	"time"

	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/timing"
)

// Schema names the format of a Report in JSON.
const Schema = "halfopen.prediction/v1"

// Report is a prediction as a whole, for JSON.
type Report struct {
	Kernel   report.Kernel // the one that is predicted, and verified if there are checks
	Settings Settings
	Rows     []Row
	Checks   []Check // one for each row; nil if nothing was verified
	Clock    string  // of the verification: virtual or real
	Family   int     // of the verification: 4 or 6
	Within   time.Duration
	Advice   []Advice // nil if none was asked for
}

// MarshalJSON writes it by the schema's names, times in seconds.
func (r Report) MarshalJSON() ([]byte, error) {
	type window struct {
		Floor   float64 `json:"floor"`
		Ceiling float64 `json:"ceiling"`
		Source  string  `json:"source,omitempty"`
	}
	windowOf := func(w timing.Window) *window { return &window{w.Floor.Seconds(), w.Ceiling.Seconds(), w.Source} }
	type check struct {
		Verdict  Verdict `json:"verdict"`
		Measured float64 `json:"measured,omitempty"`
		Told     string  `json:"told,omitempty"`
		RTO      float64 `json:"rto,omitempty"`
		Reason   string  `json:"reason,omitempty"`
	}
	type row struct {
		State  State    `json:"state"`
		Fault  string   `json:"fault"`
		Never  bool     `json:"never"`
		From   string   `json:"from,omitempty"`
		Window *window  `json:"window,omitempty"`
		Told   string   `json:"told,omitempty"`
		By     string   `json:"by"`
		Claims []string `json:"claims"`
		Check  *check   `json:"check,omitempty"`
	}
	type advice struct {
		Knob   string  `json:"knob"`
		Value  string  `json:"value,omitempty"`
		Window *window `json:"window,omitempty"`
		Covers string  `json:"covers"`
		Misses string  `json:"misses"`
		Note   string  `json:"note,omitempty"`
	}
	s := r.Settings
	out := struct {
		Schema   string         `json:"schema"`
		Kernel   report.Kernel  `json:"kernel"`
		Settings map[string]any `json:"settings"`
		Clock    string         `json:"clock,omitempty"`
		Family   int            `json:"family,omitempty"`
		Rows     []row          `json:"rows"`
		Within   float64        `json:"within,omitempty"`
		Advice   []advice       `json:"advice,omitempty"`
	}{Schema: Schema, Kernel: r.Kernel, Clock: r.Clock, Family: r.Family, Within: r.Within.Seconds(), Settings: map[string]any{
		"tcp_retries2": s.Retries2, "tcp_orphan_retries": s.OrphanRetries, "tcp_fin_timeout": s.FinTimeout.Seconds(),
		"tcp_syn_retries": s.SynRetries, "tcp_syn_linear_timeouts": s.SynLinear, "tcp_early_retrans": s.EarlyRetrans,
		"rto_min": s.RTOMin.Seconds(), "rto_max": s.RTOMax.Seconds(),
		"keepalive": s.Keepalive, "keepalive_time": s.KeepaliveTime.Seconds(), "keepalive_interval": s.KeepaliveInterval.Seconds(),
		"keepalive_probes": s.KeepaliveProbes, "user_timeout": s.UserTimeout.Seconds(), "rtt": s.RTT.Seconds(),
	}}
	for i, each := range r.Rows {
		encoded := row{State: each.State, Fault: each.Fault, Never: each.Never, From: each.From, Told: each.Told, By: each.By, Claims: each.Claims}
		if !each.Never {
			encoded.Window = windowOf(each.Window)
		}
		if r.Checks != nil {
			c := r.Checks[i]
			encoded.Check = &check{c.Verdict, c.Measured.Seconds(), c.Told, c.RTO.Seconds(), c.Reason}
		}
		out.Rows = append(out.Rows, encoded)
	}
	for _, each := range r.Advice {
		encoded := advice{Knob: each.Knob, Value: each.Value, Covers: each.Covers, Misses: each.Misses, Note: each.Note}
		if each.Value != "" {
			encoded.Window = windowOf(each.Window)
		}
		out.Advice = append(out.Advice, encoded)
	}
	return json.Marshal(out)
}
