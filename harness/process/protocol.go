package process

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// The operations of the control channel.
const (
	opBind    = "bind"    // socket, options, bind; answers Socket and Local
	opConnect = "connect" // connect(2) to Remote; answers Local
	opListen  = "listen"  // socket, SO_REUSEADDR, options, bind, listen(2) with Value as the backlog; answers Socket and Local
	opAccept  = "accept"  // answers Socket, Local and Remote
	opRead    = "read"    // one read(2) of up to Max bytes
	opWrite   = "write"   // send(2) until all of Data is taken
	opFill    = "fill"    // send(2) until EAGAIN
	opAwait   = "await"   // poll(2) for Events
	opSet     = "set"     // setsockopt
	opGet     = "get"     // getsockopt of an int; answers Value
	opDown    = "down"    // shutdown(2), Value is how
	opQueued  = "queued"  // recvmsg(2) with MSG_ERRQUEUE; answers Queued
	opClose   = "close"
	opShare   = "share" // fork a holder; the leash travels as SCM_RIGHTS; answers PID
	opDie     = "die"   // answers, then dies by Manner
	opBeat    = "beat"  // heartbeats: a line each Every, whose answer must come within Most
	opEcho    = "echo"  // answers heartbeats until the connection ends
)

// option is an Option on the control channel.
type option struct {
	Level  int  `json:"level"`
	Name   int  `json:"name"`
	Value  int  `json:"value"`
	Linger bool `json:"linger,omitempty"` // a struct linger {on, Value}, not an int
}

type request struct {
	ID      uint64         `json:"id"`
	Op      string         `json:"op"`
	Socket  int            `json:"socket,omitempty"`
	Local   netip.AddrPort `json:"local,omitzero"`
	Remote  netip.AddrPort `json:"remote,omitzero"`
	Options []option       `json:"options,omitempty"`
	Data    []byte         `json:"data,omitempty"`
	Max     int            `json:"max,omitempty"`
	Value   int            `json:"value,omitempty"`
	Events  uint32         `json:"events,omitempty"`
	Manner  Manner         `json:"manner,omitempty"`
	Every   time.Duration  `json:"every,omitempty"`
	Most    time.Duration  `json:"most,omitempty"`
}

type answer struct {
	ID     uint64         `json:"id"`
	Socket int            `json:"socket,omitempty"`
	Local  netip.AddrPort `json:"local,omitzero"`
	Remote netip.AddrPort `json:"remote,omitzero"`
	N      int            `json:"n,omitempty"`
	Data   []byte         `json:"data,omitempty"`
	EOF    bool           `json:"eof,omitempty"`
	Value  int            `json:"value,omitempty"`
	Events uint32         `json:"events,omitempty"`
	Queued Queued         `json:"queued,omitzero"` // the error queue's first message
	PID    int            `json:"pid,omitempty"`
	Call   string         `json:"call,omitempty"` // the system call that Errno is from
	Errno  unix.Errno     `json:"errno,omitempty"`
	At     time.Duration  `json:"at"`
	Late   bool           `json:"late,omitempty"`   // a heartbeat had no answer in time
	Closed bool           `json:"closed,omitempty"` // the socket was closed meanwhile
	Fault  string         `json:"fault,omitempty"`  // the tool failed in the process
}

func (a answer) result() Result {
	return Result{N: a.N, Data: a.Data, EOF: a.EOF, Errno: a.Errno, Events: a.Events, Late: a.Late, At: a.At}
}

// maxFrame bounds a frame, so that a stray byte is not taken for a length of gigabytes.
const maxFrame = 64 << 20

// frame is a message on the channel: its length in four bytes, then JSON.
func frame(message any) ([]byte, error) {
	body, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encode a message of the control channel: %w", err)
	}
	if len(body) > maxFrame {
		return nil, fmt.Errorf("a message of %d bytes is too long for the control channel (%d)", len(body), maxFrame)
	}
	framed := make([]byte, 4, 4+len(body))
	binary.BigEndian.PutUint32(framed, uint32(len(body)))
	return append(framed, body...), nil
}

// readFrame decodes the next message; io.EOF when the other end is gone.
func readFrame(from io.Reader, message any) error {
	var head [4]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return err
	}
	length := binary.BigEndian.Uint32(head[:])
	if length > maxFrame {
		return fmt.Errorf("a message of %d bytes on the control channel", length)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(from, body); err != nil {
		return err
	}
	if err := json.Unmarshal(body, message); err != nil {
		return fmt.Errorf("decode a message of the control channel: %w", err)
	}
	return nil
}
