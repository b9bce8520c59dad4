package ladder

import "time"

// Diagram is a conversation, or several, ready to be drawn.
type Diagram struct {
	Title string
	Lanes []Lane
	Pairs []string // the conversations, "client 192.0.2.1:50000, server 192.0.2.2:7000"; lettered A, B, ... where there are several
	Rows  []Row
}

// Lane is a host.
type Lane struct {
	Name    string
	Address string // the one it was first seen to use, with its port; empty for a router
}

// Row is what happens at one height of the diagram: the pointer of its kind is set.
type Row struct {
	At    time.Duration // since the first segment
	Arrow *Arrow
	Note  *Note
	Gap   *Gap
	Fold  *Fold
	Rule  string // a line across, with this text
}

// sameTime says whether the row needs no time of its own: the one before it shows the same.
func (r Row) sameTime(before Row) bool {
	return r.At == before.At && (before.Arrow != nil || before.Note != nil)
}

// Arrow is a segment, an ICMP error or a UDP datagram on its way.
type Arrow struct {
	From, To int    // lanes
	Look     Look   // how it is drawn
	Name     string // "retransmission 2"
	Numbers  string // "PSH,ACK seq 1 ack 1 len 14"
	Payload  string // its beginning, quoted; empty if there is none
	Extra    string // "sent on as ..."
	Pair     string // the letter of its conversation; empty where there is one
	Detail   string // all there is to know, in one line
	Again    bool   // was sent before
	Lost     bool   // did not arrive
	At       int    // the lane at which it was lost; -1: on its way
	Forged   bool   // sent by nobody: it begins between the lanes
}

// Look is how an arrow is drawn.
type Look string

// The looks.
const (
	LookSYN   Look = "syn"
	LookData  Look = "data"
	LookACK   Look = "ack"
	LookProbe Look = "probe"
	LookFIN   Look = "fin"
	LookRST   Look = "rst"
	LookICMP  Look = "icmp"
	LookUDP   Look = "udp"
)

// Note is what happened at a host, or beside all of them where Lane is -1.
type Note struct {
	Lane int
	Sort Sort
	Text string
}

// Sort is what kind of event a Note tells of.
type Sort string

// The sorts.
const (
	SortFault Sort = "fault" // somebody breaks or mends something
	SortCall  Sort = "call"  // what a system call returned
	SortState Sort = "state" // the connection's state changes
	SortOther Sort = "other"
)

// Gap is time in which nothing happens.
type Gap struct{ Length time.Duration }

// Fold stands for a run of the same exchange, repeated.
type Fold struct {
	Count  int           // of rows that are not shown
	Text   string        // "32 more: data client > server, ACK server > client"
	Length time.Duration // from the first to the last of them
}
