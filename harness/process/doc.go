// Package process runs the real processes that hold a lab's sockets, so that a crash in a spec is
// a process that really dies and never a close made on its behalf.
//
// # Words
//
// A process is this same binary in another role (package role), on the host whose thread called Start. It owns
// raw TCP sockets (no keepalive, no MPTCP, nothing a library would add) and does with them only
// what it is told: a process that is never asked to read never touches its socket.
//
// The control channel is a socketpair(AF_UNIX) between the spec and the process. It does not
// cross the lab's network. Requests carry an ID and are answered in whatever order they end, so
// a read may stay blocked in the process while other requests go on; its answer arrives without
// being polled for.
//
// A holder is a child that a process forked (Socket.Share): it inherits one descriptor, does
// nothing with it, and outlives its parent's death. It ends with Holder.Exit, Holder.Kill,
// Process.Stop, or when the spec's own process ends in any way.
//
// A process can also be on another machine: its requests and answers cross that machine's control line
// instead (Remote). It can do all but fork a holder, which takes a descriptor.
//
// A Reserve keeps processes that outlive their spec for the next one. They go from host to host without a
// socket, and who had one before has it no more: to him it is dead.
//
// A program is a process that was written for something else: another executable, or this one in the
// role of another package. It is killed and frozen like a process and heard on its stdout and stderr,
// and cannot be told anything.
//
// A heartbeat is a line that one process sends and the other must answer in time.
//
// # Results and errors
//
// What the kernel says to the application is a Result: bytes, EOF or an errno. An error is a
// failure of the tool: the process is dead (ErrDead), the socket was closed here (ErrClosed), the
// context ended. Calls that have no Result (Dial, Listen, SetInt, ...) return the kernel's refusal
// as *Errno, and errors.Is(err, unix.ECONNREFUSED) sees through it.
//
// A context that ends abandons the wait, not the request: a read goes on being blocked in the
// process, a connection goes on being tried, and what Accept would have returned stays open there.
//
// # Units
//
// All stamps are CLOCK_MONOTONIC as a time.Duration (package mono), taken in the process right
// after the system call returned. The clock is the same in every network namespace.
//
// # Lifetime
//
// A process dies with the thread that started it (PR_SET_PDEATHSIG, prctl(2): "parent" is the
// thread) and with its control channel. Nothing outlives the spec, however that ends.
//
// Sources: tcp(7), epoll(7), unix(7), prctl(2), wait(2), signal(7), core(5).
package process
