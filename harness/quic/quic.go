package quic

import (
	"errors"
	"net/netip"
	"os"
	"time"

	quicgo "github.com/quic-go/quic-go"

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

// What a process.Event of these programs is about.
const (
	Listening = "listening" // the server can be connected to; Text is where
	Accepted  = "accepted"  // the server has a connection
	Heard     = "heard"     // the server has read a line; Text is it, From the address it knows the client by
	Answered  = "answered"  // the client has read the echo of a line; Text is it
	Migrated  = "migrated"  // the client has validated another path and switched to it; From is its address there
	Failed    = "failed"    // the client's connection has ended; Text is why
)

// configuration is a program's one argument.
type configuration struct {
	Server *Server `json:"server,omitempty"`
	Client *Client `json:"client,omitempty"`
}

// Start starts a server on the host of the calling thread.
func (s Server) Start() (*process.Program, error) {
	return process.StartRole("QUIC server", role, configuration{Server: &s})
}

// Start starts a client on the host of the calling thread.
func (c Client) Start() (*process.Program, error) {
	return process.StartRole("QUIC client", role, configuration{Client: &c})
}

func init() { process.ServeRole(role, run) }

// run is a program's life; it returns only what went wrong.
func run(c configuration) error {
	// A few datagrams need no larger buffer.
	if err := os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true"); err != nil {
		return err
	}
	if c.Server != nil {
		return c.Server.serve()
	}
	if c.Client != nil {
		err := c.Client.call()
		process.Tell(process.Event{What: Failed, Text: err.Error()})
		return err
	}
	return errors.New("the configuration is neither a server's nor a client's")
}

// settings leave the end of an idle connection to nobody: QUIC would close it after 30 s.
func settings() *quicgo.Config {
	return &quicgo.Config{MaxIdleTimeout: 24 * time.Hour, DisablePathMTUDiscovery: true}
}
