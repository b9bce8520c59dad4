package web

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process"
)

// role is what package process calls a program of this package.
const role = "web"

// Server is a web server. Its paths: /hello answers at once; /slow answers after the duration that
// its query gives; /hold answers never.
type Server struct {
	Address     string        // to listen on, "192.0.2.2:7000"
	IdleTimeout time.Duration // http.Server.IdleTimeout; 0: none
	HTTP2       bool          // HTTP/2 without TLS, by prior knowledge, and no HTTP/1
	Ping        Ping          // with HTTP2
}

// Client is a web client that makes one request and then keeps the connection for the next.
type Client struct {
	Local           string        // its own address, "192.0.2.1:50000"
	Server          string        // the server's
	Path            string        // "/hello"
	IdleConnTimeout time.Duration // http.Transport.IdleConnTimeout; 0: none
	HTTP2           bool          // as Server's
	Ping            Ping          // with HTTP2
}

// Ping is HTTP/2's heartbeat: a PING after so long without a frame, and the connection is given up
// when it has no answer in time. The zero Ping is none.
type Ping struct {
	After   time.Duration // http.HTTP2Config.SendPingTimeout (x/net/http2: ReadIdleTimeout)
	Timeout time.Duration // http.HTTP2Config.PingTimeout
}

// Happening is what an Event is about.
type Happening string

// The happenings.
const (
	Listening Happening = "listening" // the server can be connected to; Text is where
	Requested Happening = "requested" // a request has arrived; Text is its path
	Responded Happening = "responded" // the server's handler has returned, or the client has read a response; Text is it
	Failed    Happening = "failed"    // the client's request has failed; Text is Go's error
)

// Event is a line of a web program's.
type Event struct {
	What Happening     `json:"what"`
	Text string        `json:"text,omitempty"`
	At   time.Duration `json:"at"` // monotonic, in the program
}

// Read understands a line of a web program's; ok is false for what is no event.
func Read(line process.Line) (event Event, ok bool) {
	err := json.Unmarshal([]byte(line.Text), &event)
	return event, err == nil && event.What != ""
}

// configuration is a program's one argument.
type configuration struct {
	Server *Server `json:"server,omitempty"`
	Client *Client `json:"client,omitempty"`
}

// Start starts a server on the host of the calling thread.
func (s Server) Start() (*process.Program, error) {
	return start("web server", configuration{Server: &s})
}

// Start starts a client on the host of the calling thread.
func (c Client) Start() (*process.Program, error) {
	return start("web client", configuration{Client: &c})
}

func start(name string, c configuration) (*process.Program, error) {
	encoded, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode the configuration of a %s: %w", name, err)
	}
	return process.StartProgram(process.ProgramOptions{Name: name, Role: role, Args: []string{string(encoded)}})
}

// The role begins before main, so that no binary that links this package has to know of it.
func init() {
	if process.IsRole(role) {
		fmt.Fprintln(os.Stderr, run(os.Args[1:]))
		os.Exit(1)
	}
}

// run is a program's life; it returns only what went wrong.
func run(args []string) error {
	var c configuration
	if err := json.Unmarshal([]byte(strings.Join(args, " ")), &c); err != nil {
		return fmt.Errorf("understand the configuration: %w", err)
	}
	if c.Server != nil {
		return c.Server.serve()
	}
	if c.Client != nil {
		return c.Client.fetch()
	}
	return fmt.Errorf("the configuration %q is neither a server's nor a client's", args)
}

// tell says an event. Whoever does not listen any more is about to end this program.
func tell(what Happening, text string) {
	line, _ := json.Marshal(Event{What: what, Text: text, At: mono.Now()})
	_, _ = os.Stdout.Write(append(line, '\n'))
}
