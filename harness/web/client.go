package web

import (
	"io"
	"net"
	"net/http"
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
			tell(Responded, string(body))
		}
	}
	if err != nil {
		tell(Failed, err.Error())
	}
	select {} // the connection stays in the transport's pool
}
