// Package web is Go's own HTTP server and client (net/http), each as a program of a lab: a process
// that holds its sockets and keeps the timeouts of net/http, and nothing beside them. TCP keepalive
// and MPTCP, which Go switches on by itself, are off, so that what ends a connection is the
// timeout that a spec is about.
//
// A program is this same binary in the role "web"; its configuration comes in its arguments, and
// what happens to it goes to its stdout, an Event a line.
//
// # What it costs others
//
// Nothing: the role begins in this package's init, and net/http is part of the binary anyway
// (Gomega has matchers for it). The processes that hold sockets begin their role before either.
//
// Sources: net/http (Server.IdleTimeout, Transport.IdleConnTimeout, HTTP2Config), RFC 9112 9.3
// (persistence), RFC 9113 6.7 (PING), 3.3 (prior knowledge).
package web
