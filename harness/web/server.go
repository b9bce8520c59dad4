package web

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/halfopen/halfopen/harness/process"
)

func (s *Server) serve() error {
	// A listener of Go's own has keepalive and MPTCP on.
	listen := net.ListenConfig{KeepAlive: -1}
	listen.SetMultipathTCP(false)
	listener, err := listen.Listen(context.Background(), "tcp", s.Address)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:     http.HandlerFunc(handle),
		IdleTimeout: s.IdleTimeout,
		Protocols:   protocols(s.HTTP2),
		HTTP2:       s.Ping.config(),
	}
	process.Tell(process.Event{What: Listening, Text: listener.Addr().String()})
	return server.Serve(listener)
}

func handle(w http.ResponseWriter, r *http.Request) {
	process.Tell(process.Event{What: Requested, Text: r.URL.Path})
	switch r.URL.Path {
	case "/slow":
		wait, err := time.ParseDuration(r.URL.RawQuery)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		time.Sleep(wait)
	case "/hold":
		<-r.Context().Done() // the connection's end
		return
	}
	fmt.Fprint(w, "hello")
	process.Tell(process.Event{What: Responded, Text: r.URL.Path})
}

func protocols(http2 bool) *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(!http2)
	p.SetUnencryptedHTTP2(http2)
	return &p
}

func (p Ping) config() *http.HTTP2Config {
	return &http.HTTP2Config{SendPingTimeout: p.After, PingTimeout: p.Timeout}
}
