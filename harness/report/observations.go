package report

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Units of observations: seconds and bytes as UCUM writes them, 1 for a count, none for a name.
const (
	Seconds = "s"
	Bytes   = "By"
	Count   = "1"
	Name    = ""
)

// Quantity is a row of the registry of observations.
type Quantity struct {
	Name    string // lower case with underscores
	Unit    string // Seconds, Bytes, Count or Name
	Meaning string
	Phrase  string // how the terminal says it, with %s for the value; empty: not said there
}

// Quantities is the registry: every name an observation may have, in the order the terminal says
// them. Add a row here before a spec records a new one.
func Quantities() []Quantity {
	return []Quantity{
		{"expected", Name, "what the release is documented to do, where releases differ", "expected of the release: %s"},

		{"mechanism", Name, "by what the survivor could notice the fault, with its settings", "%s"},

		// When the survivor learns.
		{"detected_after", Seconds, "from the fault to the survivor's application being told", "detected after %s"},
		{"detected_after_return", Seconds, "from the return of a rebooted host to the survivor's application being told", ""},
		{"noticed_after", Seconds, "from where the kernel's clock begins, a write or the last segment received, to the survivor's application being told", ""},
		{"aborted_after", Seconds, "from the first unanswered write, SYN or probe to the end of the connection", "aborted after %s"},
		{"abort_clock", Seconds, "from the first timeout's retransmission to the abort: the kernel's own clock", "%s on the kernel's clock"},
		{"last_write_before_abort", Seconds, "from the last of several writes to the abort", "%s after the last write"},
		{"undetected_for", Seconds, "how long the survivor did not notice the fault, which is as long as it was watched", "unnoticed for %s"},
		{"released_after", Seconds, "from the fault to the survivor's own end of the connection, which is no notice of the fault", "closed all the same after %s"},
		{"told", Name, "what told the survivor's application: an errno, the end of file, or a timeout of its own", "%s"},
		{"idle_closed_after", Seconds, "from the request to the server's FIN, once it has been answered", "closed %s after the request"},
		{"heartbeats", Count, "heartbeats, or PINGs of HTTP/2, that were answered", "%s heartbeats answered"},
		{"errno", Name, "what the application was told", "%s"},
		{"next_errno", Name, "what the application was told the time after", "then %s"},
		{"soft_error", Name, "the ICMP or resolution error the socket remembered", "soft error %s"},

		// What crossed the wire, and when.
		{"fin_after", Seconds, "from the fault to the FIN on the wire", "FIN after %s"},
		{"rst_after", Seconds, "from the fault, or from the segment that drew it, to the RST on the wire", "RST after %s"},
		{"answer_after", Seconds, "from a forged segment to the acknowledgement that it drew", "answer after %s"},
		{"eof_after", Seconds, "from the fault to the survivor reading end of file", "end of file after %s"},
		{"tail_loss_probe_after", Seconds, "from the write to the tail-loss probe", "tail-loss probe after %s"},
		{"first_retransmission_after", Seconds, "from the write to the first timeout's retransmission", "first retransmission after %s"},
		{"first_probe_after", Seconds, "from the last segment received to the first keepalive probe", "first probe after %s"},
		{"probe_interval", Seconds, "between two keepalive probes, the longest seen", "every %s"},
		{"first_window_probe_after", Seconds, "from the window closing to the first window probe", "first window probe after %s"},
		{"window_probe_interval", Seconds, "between two window probes, the last seen", "window probes every %s"},
		{"stayed_open", Seconds, "from the window closing to the last probe seen, the connection still open", "open after %s"},
		{"longest_interval", Seconds, "between two retransmissions, the longest seen", "longest interval %s"},
		{"delivered_after", Seconds, "from the path being whole again to the data being read", "delivered after %s"},
		{"migrated_after", Seconds, "from the address changing to an answer over the same QUIC connection", "QUIC answered after %s"},
		{"connected_after", Seconds, "from the first SYN to the connection being established", "connected after %s"},
		{"closed_after", Seconds, "from the fault to the last segment of the close", "closed after %s"},
		{"expired_after", Seconds, "from entering a state to its expiry", "expired after %s"},
		{"close_blocked_for", Seconds, "how long close(2), shutdown(2) or the death of the process took", "close blocked for %s"},
		{"back_after", Seconds, "from a machine's crash or restart to its being back on the network", "back after %s"},
		{"silent_for", Seconds, "how long the wire was watched and nothing was on it", "silent for %s"},
		{"retransmissions", Count, "segments of data sent again, tail-loss probe included", "%s retransmissions"},
		{"fin_copies", Count, "FINs sent again, tail-loss probe included", "%s more FINs"},
		{"probes", Count, "keepalive probes sent", "%s probes"},
		{"window_probes", Count, "probes of a closed window sent", "%s window probes"},
		{"answers_left_out", Count, "answers that tcp_invalid_ratelimit left out", "%s left out"},
		{"probes_answered", Count, "keepalive probes that were answered", "%s answered"},
		{"syns", Count, "SYN segments sent", "%s SYNs"},
		{"synacks", Count, "SYN-ACK segments sent", "%s SYN-ACKs"},
		{"challenge_acks", Count, "challenge ACKs sent", "%s challenge ACKs"},
		{"resets", Count, "segments with RST", "%s RSTs"},
		{"segments", Count, "segments of the connection seen after the fault", "%s segments"},
		{"dropped", Count, "segments that reached the router and were not sent on", "%s dropped by the router"},
		{"kept_for", Seconds, "how long the router has known the connection", "known for %s"},
		{"unnoticed_for", Seconds, "from the end of one side to the other's application being told", "unnoticed for %s"},
		{"segment_size", Bytes, "the largest segment the connection sends at the verdict", "segments of %s"},
		{"bytes_delivered", Bytes, "payload that reached the other application", "%s delivered"},

		// What the kernel thinks of the connection.
		{"state", Name, "the survivor's TCP state at the verdict", "%s"},
		{"other_state", Name, "the other side's TCP state at the verdict", "other side %s"},
		{"timer", Name, "the timer armed at the verdict, or none", "timer %s"},
		{"timer_expires", Seconds, "what was left of that timer when it was read", ""},
		{"entry_state", Name, "the state that the router's connection tracking has", "tracked as %s"},
		{"entry_timeout", Seconds, "how long the router keeps its entry of the connection after a segment", "entry kept for %s"},
		{"rto", Seconds, "the retransmission timeout the kernel had measured", "RTO %s"},
		{"rtt", Seconds, "the smoothed round-trip time", ""},
		{"backoff", Count, "doublings of the retransmission timeout", ""},
		{"timeouts", Count, "TCPTimeouts counted", ""},
		{"aborts_on_timeout", Count, "TCPAbortOnTimeout counted", ""},
		{"aborts_on_close", Count, "TCPAbortOnClose counted", ""},
		{"aborts_on_data", Count, "TCPAbortOnData counted", ""},
		{"aborts_on_linger", Count, "TCPAbortOnLinger counted", ""},
		{"listen_overflows", Count, "ListenOverflows counted", ""},
		{"loss_probes", Count, "TCPLossProbes counted", ""},
		{"keepalives", Count, "TCPKeepAlive counted", ""},
		{"out_of_window_icmps", Count, "OutOfWindowIcmps counted", ""},
		{"inode", Count, "inode of the socket, 0 for one that no process holds", "inode %s"},

		// What the time was judged by.
		{"window_floor", Seconds, "earliest time the claim allows", ""},
		{"window_ceiling", Seconds, "latest time the claim allows", ""},

		// Knobs, as the kernel reported them.
		{"keepalive_time", Seconds, "tcp_keepalive_time or TCP_KEEPIDLE", "idle %s"},
		{"keepalive_interval", Seconds, "tcp_keepalive_intvl or TCP_KEEPINTVL", "interval %s"},
		{"keepalive_probes", Count, "tcp_keepalive_probes or TCP_KEEPCNT", "count %s"},
		{"user_timeout", Seconds, "TCP_USER_TIMEOUT", ""},
		{"retries2", Count, "tcp_retries2", ""},
		{"challenge_limit", Count, "tcp_challenge_ack_limit", "limit %s"},
		{"fin_timeout", Seconds, "tcp_fin_timeout", ""},
		{"syn_retries", Count, "tcp_syn_retries or TCP_SYNCNT", ""},
		{"synack_retries", Count, "tcp_synack_retries", ""},
		{"orphan_retries", Count, "tcp_orphan_retries", ""},
		{"rto_max", Seconds, "ceiling of the retransmission timeout", "RTO ceiling %s"},
		{"rto_min", Seconds, "floor of the retransmission timeout", "RTO floor %s"},
	}
}

// Lookup finds a row of the registry by name.
func Lookup(name string) (Quantity, bool) {
	for _, q := range Quantities() {
		if q.Name == name {
			return q, true
		}
	}
	return Quantity{}, false
}

// Observation is what a spec measured. Value is a float64 for seconds, an int for bytes and
// counts, a string for names.
type Observation struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
	Unit  string `json:"unit"`
}

// Observe makes an observation. The name must be in the registry and the value of its kind:
// time.Duration or float64 (seconds), any whole number (bytes, counts), string or fmt.Stringer
// (names).
func Observe(name string, value any) (Observation, error) {
	q, known := Lookup(name)
	if !known {
		return Observation{}, fmt.Errorf("observation %q is not in the registry (harness/report/observations.go)", name)
	}
	v, fits := q.convert(value)
	if !fits {
		return Observation{}, fmt.Errorf("observation %s cannot be %v (%T): its unit is %q", name, value, value, q.Unit)
	}
	return Observation{Name: name, Value: v, Unit: q.Unit}, nil
}

func (q Quantity) convert(value any) (any, bool) {
	switch q.Unit {
	case Seconds:
		switch v := value.(type) {
		case time.Duration:
			return round(v.Seconds()), true
		case float64:
			return round(v), !math.IsNaN(v) && !math.IsInf(v, 0)
		case int:
			return float64(v), true
		}
	case Bytes, Count:
		switch v := value.(type) {
		case int:
			return v, true
		case int32:
			return int(v), true
		case int64:
			return int(v), true
		case uint8:
			return int(v), true
		case uint16:
			return int(v), true
		case uint32:
			return int(v), true
		case uint64:
			return int(v), v <= math.MaxInt
		}
	case Name:
		switch v := value.(type) {
		case string:
			return v, true
		case fmt.Stringer:
			return v.String(), true
		}
	}
	return nil, false
}

// round to microseconds: finer is noise on every clock we read.
func round(seconds float64) float64 { return math.Round(seconds*1e6) / 1e6 }

// UnmarshalJSON gives Value back as the kind it was recorded as, which JSON's one kind of number
// does not tell; unknown names are refused.
func (o *Observation) UnmarshalJSON(data []byte) error {
	var wire struct {
		Name  string          `json:"name"`
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	q, known := Lookup(wire.Name)
	if !known {
		return fmt.Errorf("observation %q is not in the registry (harness/report/observations.go)", wire.Name)
	}
	var err error
	switch q.Unit {
	case Seconds:
		var v float64
		err = json.Unmarshal(wire.Value, &v)
		o.Value = v
	case Bytes, Count:
		var v int
		err = json.Unmarshal(wire.Value, &v)
		o.Value = v
	default:
		var v string
		err = json.Unmarshal(wire.Value, &v)
		o.Value = v
	}
	if err != nil {
		return fmt.Errorf("observation %s: %w", wire.Name, err)
	}
	o.Name, o.Unit = wire.Name, q.Unit
	return nil
}
