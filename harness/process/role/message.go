package role

import "syscall"

// The operations of the control channel.
const (
	OpBind    = "bind"    // socket, options, bind; answers Socket and Local
	OpConnect = "connect" // connect(2) to Remote; answers Local
	OpListen  = "listen"  // socket, SO_REUSEADDR, options, bind, listen(2) with Value as the backlog; answers Socket and Local
	OpAccept  = "accept"  // answers Socket, Local and Remote
	OpRead    = "read"    // one read(2) of up to Max bytes
	OpWrite   = "write"   // send(2) until all of Data is taken
	OpFill    = "fill"    // send(2) until EAGAIN
	OpAwait   = "await"   // poll(2) for Events
	OpSet     = "set"     // setsockopt
	OpGet     = "get"     // getsockopt of an int; answers Value
	OpDown    = "down"    // shutdown(2), Value is how
	OpQueued  = "queued"  // recvmsg(2) with MSG_ERRQUEUE; answers Data, the control messages
	OpClose   = "close"
	OpShare   = "share" // fork a holder; the leash travels as SCM_RIGHTS; answers PID
	OpDie     = "die"   // answers, then dies in the manner that Value says
	OpBeat    = "beat"  // heartbeats: a line each Every, whose answer must come within Most
	OpEcho    = "echo"  // answers heartbeats until the connection ends
	OpMove    = "move"  // close every socket and go to the network namespace that travels as SCM_RIGHTS; Value is setns(2)'s number
)

// The manners in which a process can be told to die.
const (
	BySegfault = iota + 1 // SIGSEGV, by a write to memory that is not there
	ByAbort               // SIGABRT, raised as abort(3) does
	ByExit                // exit_group(2), status 0
	ByPanic               // a Go panic that nobody recovers, status 2
)

// Address is a struct sockaddr_in or sockaddr_in6 as the kernel has it; empty: none.
type Address []byte

// Option is a socket option.
type Option struct {
	Level, Name, Value int
	Linger             bool // a struct linger {on, Value} and not an int; off if Value is negative
}

// Request is what a process is told to do.
type Request struct {
	ID      int
	Op      string
	Socket  int
	Local   Address
	Remote  Address
	Options []Option
	Data    []byte
	Max     int
	Value   int
	Events  uint32
	Every   int64 // ns
	Most    int64 // ns
}

// Answer is what came of a request.
type Answer struct {
	ID     int
	Socket int
	Local  Address
	Remote Address
	N      int
	Data   []byte
	EOF    bool
	Value  int
	Events uint32
	Queued []byte // of a connect(2) that failed: the control messages of the error queue's first message
	PID    int
	Call   string // the system call that Errno is from
	Errno  syscall.Errno
	At     int64  // CLOCK_MONOTONIC in ns, right after the call returned
	Give   int64  // ns that At may be wrong, either way: added by whoever turns At into another clock's time, no part of the frame
	Late   bool   // a heartbeat had no answer in time
	Closed bool   // the socket was closed meanwhile
	Fault  string // the tool failed in the process
}

// headSize is that of a message's head: its body's length, the high byte first.
const headSize = 4

// maxBody bounds a message, so that a stray byte is not taken for a length of gigabytes.
const maxBody = 64 << 20

// Error is a message that cannot be made or understood.
type Error string

func (e Error) Error() string { return string(e) }

// Frame is the request as it crosses the channel.
func (r Request) Frame() ([]byte, error) {
	var w writer
	w.begin()
	w.int(r.ID)
	w.string(r.Op)
	w.int(r.Socket)
	w.bytes(r.Local)
	w.bytes(r.Remote)
	w.int(len(r.Options))
	for _, o := range r.Options {
		w.int(o.Level)
		w.int(o.Name)
		w.int(o.Value)
		w.bool(o.Linger)
	}
	w.bytes(r.Data)
	w.int(r.Max)
	w.int(r.Value)
	w.int(int(r.Events))
	w.int(int(r.Every))
	w.int(int(r.Most))
	return w.end()
}

func parseRequest(body []byte) (Request, error) {
	p := parser{rest: body}
	r := Request{ID: p.int(), Op: p.string(), Socket: p.int(), Local: p.bytes(), Remote: p.bytes()}
	for range p.int() {
		r.Options = append(r.Options, Option{Level: p.int(), Name: p.int(), Value: p.int(), Linger: p.bool()})
		if p.bad {
			break
		}
	}
	r.Data, r.Max, r.Value = p.bytes(), p.int(), p.int()
	r.Events, r.Every, r.Most = uint32(p.int()), int64(p.int()), int64(p.int())
	return r, p.end()
}

func (a Answer) frame() ([]byte, error) {
	var w writer
	w.begin()
	w.int(a.ID)
	w.int(a.Socket)
	w.bytes(a.Local)
	w.bytes(a.Remote)
	w.int(a.N)
	w.bytes(a.Data)
	w.bool(a.EOF)
	w.int(a.Value)
	w.int(int(a.Events))
	w.bytes(a.Queued)
	w.int(a.PID)
	w.string(a.Call)
	w.int(int(a.Errno))
	w.int(int(a.At))
	w.bool(a.Late)
	w.bool(a.Closed)
	w.string(a.Fault)
	return w.end()
}

// ParseAnswer understands the body of an answer.
func ParseAnswer(body []byte) (Answer, error) {
	p := parser{rest: body}
	a := Answer{
		ID: p.int(), Socket: p.int(), Local: p.bytes(), Remote: p.bytes(), N: p.int(), Data: p.bytes(), EOF: p.bool(),
		Value: p.int(), Events: uint32(p.int()), Queued: p.bytes(), PID: p.int(), Call: p.string(),
		Errno: syscall.Errno(p.int()), At: int64(p.int()), Late: p.bool(), Closed: p.bool(), Fault: p.string(),
	}
	return a, p.end()
}

// Body takes the first message off the stream; ok is false while it is not whole.
func Body(stream []byte) (body, rest []byte, ok bool, err error) {
	if len(stream) < headSize {
		return nil, stream, false, nil
	}
	length := int(stream[0])<<24 | int(stream[1])<<16 | int(stream[2])<<8 | int(stream[3])
	if length > maxBody {
		return nil, stream, false, Error("a message too long for the control channel")
	}
	if len(stream) < headSize+length {
		return nil, stream, false, nil
	}
	return stream[headSize : headSize+length], stream[headSize+length:], true, nil
}

// writer makes a message: numbers of eight bytes, the high one first, and texts behind their length.
type writer struct{ message []byte }

func (w *writer) begin() { w.message = make([]byte, headSize, 256) }

func (w *writer) end() ([]byte, error) {
	length := len(w.message) - headSize
	if length > maxBody {
		return nil, Error("a message too long for the control channel")
	}
	w.message[0], w.message[1], w.message[2], w.message[3] = byte(length>>24), byte(length>>16), byte(length>>8), byte(length)
	return w.message, nil
}

func (w *writer) int(n int) {
	for shift := 56; shift >= 0; shift -= 8 {
		w.message = append(w.message, byte(uint64(n)>>shift))
	}
}

func (w *writer) bool(b bool) {
	if b {
		w.int(1)
	} else {
		w.int(0)
	}
}

func (w *writer) bytes(b []byte) {
	w.int(len(b))
	w.message = append(w.message, b...)
}

func (w *writer) string(s string) {
	w.int(len(s))
	w.message = append(w.message, s...)
}

// parser takes a message apart. It gives zeros once the message has turned out to be none.
type parser struct {
	rest []byte
	bad  bool
}

func (p *parser) end() error {
	if p.bad || len(p.rest) > 0 {
		return Error("a message of the control channel cannot be understood")
	}
	return nil
}

func (p *parser) take(n int) []byte {
	if n < 0 || n > len(p.rest) {
		p.bad, p.rest = true, nil
		return nil
	}
	taken := p.rest[:n:n]
	p.rest = p.rest[n:]
	return taken
}

func (p *parser) int() int {
	var n uint64
	for _, b := range p.take(8) {
		n = n<<8 | uint64(b)
	}
	return int(n)
}

func (p *parser) bool() bool { return p.int() != 0 }

// bytes are a copy of their own, nil for none.
func (p *parser) bytes() []byte { return append([]byte(nil), p.take(p.int())...) }

func (p *parser) string() string { return string(p.take(p.int())) }
