package socket

import "fmt"

// State is a TCP state, numbered as the kernel does (include/net/tcp_states.h).
type State uint8

// The states of TCP. NewSynRecv is the kernel's own: a request that has not become a socket yet,
// which sock_diag shows as SynRecv.
const (
	Gone State = iota // no such socket
	Established
	SynSent
	SynRecv
	FinWait1
	FinWait2
	TimeWait
	Close
	CloseWait
	LastAck
	Listen
	Closing
	NewSynRecv
)

// String is the state in the spelling of RFC 9293: "ESTABLISHED", "FIN-WAIT-2", "SYN-RECEIVED";
// "gone" where there is no socket.
func (s State) String() string {
	names := [...]string{
		Gone:        "gone",
		Established: "ESTABLISHED",
		SynSent:     "SYN-SENT",
		SynRecv:     "SYN-RECEIVED",
		FinWait1:    "FIN-WAIT-1",
		FinWait2:    "FIN-WAIT-2",
		TimeWait:    "TIME-WAIT",
		Close:       "CLOSED",
		CloseWait:   "CLOSE-WAIT",
		LastAck:     "LAST-ACK",
		Listen:      "LISTEN",
		Closing:     "CLOSING",
		NewSynRecv:  "SYN-RECEIVED (request)",
	}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}
