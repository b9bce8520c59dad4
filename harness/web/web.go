package web

import (
	"errors"
	"time"

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

// What a process.Event of these programs is about.
const (
	Listening = "listening" // the server can be connected to; Text is where
	Requested = "requested" // a request has arrived; Text is its path
	Responded = "responded" // the server's handler has returned, or the client has read a response; Text is it
	Failed    = "failed"    // the client's request has failed; Text is Go's error
)

// configuration is a program's one argument.
type configuration struct {
	Server *Server `json:"server,omitempty"`
	Client *Client `json:"client,omitempty"`
}

// Start starts a server on the host of the calling thread.
func (s Server) Start() (*process.Program, error) {
	return process.StartRole("web server", role, configuration{Server: &s})
}

// Start starts a client on the host of the calling thread.
func (c Client) Start() (*process.Program, error) {
	return process.StartRole("web client", role, configuration{Client: &c})
}

func init() { process.ServeRole(role, run) }

// run is a program's life; it returns only what went wrong.
func run(c configuration) error {
	if c.Server != nil {
		return c.Server.serve()
	}
	if c.Client != nil {
		return c.Client.fetch()
	}
	return errors.New("the configuration is neither a server's nor a client's")
}
