// Package stage is what a spec is written with: the thin layer between Ginkgo and the harness. The
// packages below return errors; here an error of theirs becomes a broken stage, an expectation
// that does not hold becomes the kernel's failure, and the two are never mixed up.
//
// A spec builds a pair of hosts (Pair), a connection between two processes on them (Connect),
// breaks something and says what it expects. Everything a spec starts ends with it, and its
// packets, faults, reads, writes and state changes are left in a pcapng file.
//
// Hosts are network namespaces, or machines where a table says so (Machines): a spec is the same, and the
// times at a machine are known to within what its control line takes.
//
// Words: an End is one side of a connection: the host, the process that holds the socket, and the
// socket. Where a Program holds it (nginx, Go's web server or client) it does what that was written
// for, and not what the spec says. The end that breaks is broken, the other is the survivor. A Fault is
// a way for an end to break that specs go through one by one. An Outcome is what read(2) or write(2)
// gave the application: data, end of file, or an errno. A case is one of several ways in which a claim
// is proved (a side, a way of dying, a fault).
//
// Times are CLOCK_MONOTONIC as time.Duration since boot.
package stage
