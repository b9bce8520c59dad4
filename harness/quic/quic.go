package quic

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process"
)

// role is what package process calls a program of this package.
const role = "quic"

// protocol is the one that client and server agree on (ALPN).
const protocol = "halfopen"

// Server is a QUIC server that echoes every line.
type Server struct {
	Address netip.AddrPort // to listen on
}

// Client is a QUIC client.
type Client struct {
	Local   netip.AddrPort // its socket's address and port; an unspecified address leaves the choice to the kernel
	Server  netip.AddrPort
	Migrate bool // it moves to a new address of its host by itself, on a socket of its own (RFC 9000 9.2)
	Deaf    bool // it does not heed what happens to its host's addresses
}

// Happening is what an Event is about.
type Happening string

// The happenings.
const (
	Listening Happening = "listening" // the server can be connected to; Text is where
	Accepted  Happening = "accepted"  // the server has a connection
	Heard     Happening = "heard"     // the server has read a line; Text is it, From the address it knows the client by
	Answered  Happening = "answered"  // the client has read the echo of a line; Text is it
	Migrated  Happening = "migrated"  // the client has validated another path and switched to it; From is its address there
	Failed    Happening = "failed"    // the client's connection has ended; Text is why
)

// Event is a line of a QUIC program's.
type Event struct {
	What Happening     `json:"what"`
	Text string        `json:"text,omitempty"`
	From string        `json:"from,omitempty"`
	At   time.Duration `json:"at"` // monotonic, in the program
}

// Read understands a line of a QUIC program's; ok is false for what is no event.
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
	return start("QUIC server", configuration{Server: &s})
}

// Start starts a client on the host of the calling thread.
func (c Client) Start() (*process.Program, error) {
	return start("QUIC client", configuration{Client: &c})
}

func start(name string, c configuration) (*process.Program, error) {
	encoded, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode the configuration of a %s: %w", name, err)
	}
	return process.StartProgram(process.ProgramOptions{
		Name: name, Role: role, Args: []string{string(encoded)},
		Env: []string{"QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING=true"}, // a few datagrams need no larger one
	})
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
		err := c.Client.call()
		tell(Event{What: Failed, Text: err.Error()})
		return err
	}
	return fmt.Errorf("the configuration %q is neither a server's nor a client's", args)
}

// settings leave the end of an idle connection to nobody: QUIC would close it after 30 s.
func settings() *quicgo.Config {
	return &quicgo.Config{MaxIdleTimeout: 24 * time.Hour, DisablePathMTUDiscovery: true}
}

// tell says an event. Whoever does not listen any more is about to end this program.
func tell(event Event) {
	event.At = mono.Now()
	line, _ := json.Marshal(event)
	_, _ = os.Stdout.Write(append(line, '\n'))
}
