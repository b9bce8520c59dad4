package predict

import (
	"time"

	"github.com/halfopen/halfopen/harness/timing"
)

// State is what the connection is doing when the fault meets it.
type State string

// The states.
const (
	Writing    State = "writing"    // data is in flight, or about to be
	Idle       State = "idle"       // in read(2), with SO_KEEPALIVE
	Unguarded  State = "unguarded"  // in read(2), without SO_KEEPALIVE
	Connecting State = "connecting" // in connect(2)
	Closed     State = "closed"     // after close(2), the kernel alone is left
)

// Row is a fault in a state, and what follows.
type Row struct {
	State  State
	Fault  string
	From   string        // the moment that Window counts from
	Window timing.Window // when it is noticed; nothing if Never
	Never  bool
	Told   string // what the application is told: an errno, or EndOfFile; empty if nothing
	By     string // the mechanism, with its setting
	Claims []string
	Proof  Proof

	at func(rto time.Duration) timing.Window // Window at one retransmission timeout; nil if that has no part in it
}

// EndOfFile is what an application is told by a FIN.
const EndOfFile = "end of file"

// Proof is the spec that stages a row; none if Claim is empty.
type Proof struct {
	Claim, Case string
	Measured    string        // the observation that is the row's time; of a row that is never: how long it was watched
	Told        string        // the observation that says what the application was told; empty if there is none
	Takes       time.Duration // about how long it takes, if everything goes as predicted
	Looked      bool          // Measured is when a look first found the socket gone (stage's GoneIn), and not an event
}

// ID names the row, as the state and the fault do.
func (r Row) ID() string { return string(r.State) + ": " + r.Fault }
