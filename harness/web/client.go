package web

import (
	"io"
	"net"
	"net/http"

	"github.com/halfopen/halfopen/harness/process"
)

func (c *Client) fetch() error {
	local, err := net.ResolveTCPAddr("tcp", c.Local)
	if err != nil {
		return err
	}
	dialer := &net.Dialer{LocalAddr: local, KeepAlive: -1}
	dialer.SetMultipathTCP(false)
	client := &http.Client{Transport: &http.Transport{
		DialContext:     dialer.DialContext,
		IdleConnTimeout: c.IdleConnTimeout,
		Protocols:       protocols(c.HTTP2),
		HTTP2:           c.Ping.config(),
	}}
	response, err := client.Get("http://" + c.Server + c.Path)
	if err == nil {
		var body []byte
		body, err = io.ReadAll(response.Body)
		response.Body.Close()
		if err == nil {
			process.Tell(process.Event{What: Responded, Text: string(body)})
		}
	}
	if err != nil {
		process.Tell(process.Event{What: Failed, Text: err.Error()})
	}
	select {} // the connection stays in the transport's pool
}
