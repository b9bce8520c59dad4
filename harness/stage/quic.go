package stage

import (
	"context"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"

	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/quic"
	"github.com/halfopen/halfopen/harness/wire"
)

// QUIC is an established QUIC connection, each end held by a program.
type QUIC struct {
	Client, Server *Program
}

// How a QUIC client holds on to its connection when its host's address changes.
const (
	Migrating = true  // it moves to the new address itself, once it has probed the path (RFC 9000 9.2)
	Unaware   = false // its socket has no address of its own, and what it sends next comes from another (RFC 9000 9.3)
)

// ConnectQUIC establishes a QUIC connection from one host to another, over which a line and its echo have
// gone, on ports as TCP's.
func ConnectQUIC(ctx context.Context, client, server *Host, migrates bool) *QUIC {
	GinkgoHelper()
	listening := server.startProgram("QUIC server", serverPort, quic.Server{Address: netip.AddrPortFrom(server.Address(), serverPort)}.Start)
	listening.awaits(ctx, Soon, "that it listens", told(quic.Listening, ""))
	caller := quic.Client{
		Local: netip.AddrPortFrom(client.Address(), clientPort), Server: listening.address,
		Migrate: migrates, Deaf: client.scene.sabotaged("address-unheeded"),
	}
	if !migrates {
		unspecified := netip.IPv4Unspecified()
		if client.Address().Is6() {
			unspecified = netip.IPv6Unspecified()
		}
		caller.Local = netip.AddrPortFrom(unspecified, clientPort)
	}
	conn := &QUIC{Server: listening}
	conn.Client = client.startProgram("QUIC client", clientPort, caller.Start)
	conn.Client.awaits(ctx, Soon, "that it has an answer", told(quic.Answered, quic.Greeting))
	client.scene.settle(ctx)
	return conn
}

// AnswersAgain waits, within Soon, until the client has an answer to what it said when it knew of its host's
// other address, and returns when that was.
func (q *QUIC) AnswersAgain(ctx context.Context) (at time.Duration) {
	GinkgoHelper()
	answer, _ := quic.Read(q.Client.awaits(ctx, Soon, "that it has an answer", told(quic.Answered, quic.Again)))
	return answer.At
}

// Connections is how many connections the server has accepted.
func (q *QUIC) Connections() (n int) {
	for _, line := range q.Server.program.Lines() {
		if told(quic.Accepted, "")(line) {
			n++
		}
	}
	return n
}

// Ended tells whether the client's connection has ended.
func (q *QUIC) Ended() bool {
	for _, line := range q.Client.program.Lines() {
		if told(quic.Failed, "")(line) {
			return true
		}
	}
	return false
}

// Datagrams is what a host has sent by UDP since a moment.
func (h *Host) Datagrams(ctx context.Context, since time.Duration) (sent []wire.Datagram) {
	GinkgoHelper()
	h.scene.settle(ctx)
	for _, frame := range h.scene.lab.Wire().Frames() {
		if datagram, ok := frame.Datagram(); ok && datagram.From == h.Name() && datagram.At >= since {
			sent = append(sent, datagram)
		}
	}
	return sent
}

// told fits a line that tells of something, and of this text if it is not empty.
func told(what quic.Happening, text string) func(process.Line) bool {
	return func(line process.Line) bool {
		event, ok := quic.Read(line)
		return ok && event.What == what && (text == "" || event.Text == text)
	}
}
