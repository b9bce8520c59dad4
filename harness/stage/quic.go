package stage

import (
	"context"
	"net/netip"
	"slices"
	"time"

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
	listening := server.startProgram("QUIC server", serverPort, quic.Server{Address: netip.AddrPortFrom(server.Address(), serverPort)}.Start)
	listening.awaits(ctx, Soon, "that it listens", process.Tells(quic.Listening, ""))
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
	conn.Client.awaits(ctx, Soon, "that it has an answer", process.Tells(quic.Answered, quic.Greeting))
	client.scene.settle(ctx)
	return conn
}

// AnswersAgain waits, within Soon, until the client has an answer to what it said when it knew of its host's
// other address, and returns when that was.
func (q *QUIC) AnswersAgain(ctx context.Context) (at time.Duration) {
	answer, _ := q.Client.awaits(ctx, Soon, "that it has an answer", process.Tells(quic.Answered, quic.Again)).Event()
	return answer.At
}

// Connections is how many connections the server has accepted.
func (q *QUIC) Connections() (n int) {
	accepted := process.Tells(quic.Accepted, "")
	for _, line := range q.Server.program.Lines() {
		if accepted(line) {
			n++
		}
	}
	return n
}

// Ended tells whether the client's connection has ended.
func (q *QUIC) Ended() bool {
	return slices.ContainsFunc(q.Client.program.Lines(), process.Tells(quic.Failed, ""))
}

// Datagrams is what a host has sent by UDP since a moment.
func (h *Host) Datagrams(ctx context.Context, since time.Duration) (sent []wire.Datagram) {
	h.scene.settle(ctx)
	for _, frame := range h.scene.lab.Wire().Frames() {
		if datagram, ok := frame.Datagram(); ok && datagram.From == h.Name() && datagram.At >= since {
			sent = append(sent, datagram)
		}
	}
	return sent
}
