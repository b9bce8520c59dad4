// Package quic is a QUIC server and client (github.com/quic-go/quic-go), each as a program of a lab,
// for the contrast with TCP: a QUIC connection is known by its connection IDs and not by its
// addresses, so that its client can move (RFC 9000 9).
//
// A program is this same binary in the role "quic"; its configuration comes in its arguments, and
// what happens to it goes to its stdout, an Event a line. The client says a line on its one stream and
// waits for the server's echo, and does both again when its host gets another address, which the kernel tells it
// (rtnetlink(7) RTM_NEWROUTE of the address's local route). Timeouts that would end the connection are out of the way, and path MTU
// discovery is off, so that an idle connection sends nothing.
//
// The server's certificate is made when it starts, and the client takes any: who is at the other end is no
// question in a lab.
//
// # What it costs others
//
// quic-go makes the static binary 2.0 MB larger (27.1 in the place of 25.1), and its packages take 0.4 ms
// to initialise themselves. The processes that hold sockets begin their role before nearly all of them:
// one was seen to cost 1 to 2 ms of processor time more, of 26, which is the larger binary's.
//
// Sources: RFC 9000 9.1 to 9.3 (probing, initiating and responding to migration), quic-go Conn.AddPath.
package quic
