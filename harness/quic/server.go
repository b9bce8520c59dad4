package quic

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/halfopen/halfopen/harness/process"
)

func (s *Server) serve() error {
	certificate, err := newCertificate()
	if err != nil {
		return err
	}
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(s.Address))
	if err != nil {
		return fmt.Errorf("open the server's socket: %w", err)
	}
	listener, err := quicgo.Listen(socket, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{protocol}}, settings())
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	process.Tell(process.Event{What: Listening, Text: listener.Addr().String()})
	for {
		conn, err := listener.Accept(context.Background())
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		process.Tell(process.Event{What: Accepted})
		go echo(conn)
	}
}

// echo answers the lines of a connection's one stream until it ends.
func echo(conn *quicgo.Conn) {
	stream, err := conn.AcceptStream(context.Background())
	if err != nil {
		return
	}
	lines := bufio.NewScanner(stream)
	for lines.Scan() {
		process.Tell(process.Event{What: Heard, Text: lines.Text(), From: conn.RemoteAddr().String()})
		if _, err := fmt.Fprintln(stream, lines.Text()); err != nil {
			return
		}
	}
}

func newCertificate() (tls.Certificate, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: private}, nil
}
