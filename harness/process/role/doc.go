// Package role is the life of a process that holds a lab's sockets, and of a holder: the side of the
// control channel that does what it is told. Package process is the other side.
//
// A role runs in this package's init, and the package needs nothing but syscall, so that it runs before
// nearly all that is linked into the program has initialised itself: the linker orders packages by
// their needs and then by name. On a machine whose every instruction is emulated the start of a process
// is the largest part of what a spec costs; with fmt, os, encoding/json and net/netip here it cost three
// times as much.
//
// A process is one loop around epoll(7) and a single thread of its own. None of its system calls waits,
// so that a close is a close: a thread in recv(2) would hold the file, and with it the FIN, until it
// woke.
package role
