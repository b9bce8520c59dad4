// Package socket tells what the kernel thinks of a connection: its state, the timer that is armed,
// TCP_INFO, and the network namespace's counters by name. It also destroys sockets.
//
// # Words
//
// A Snapshot is one socket at one moment, as sock_diag(7) shows it. State is TCP's, in the
// spelling of RFC 9293, section 3.3.2; Gone means that the kernel has no such socket. An orphan
// that waits (FIN-WAIT-2, TIME-WAIT) is a socket too, though no process holds it: its Inode is 0.
//
// Timer is the one that the kernel will act on next. The kernel shows one of them: the
// retransmission timer, else the keepalive timer (net/ipv4/inet_diag.c, inet_sk_diag_fill).
//
// Counters are the namespace's SNMP and TcpExt counters; those of IPv6 are read by themselves. A counter that the kernel does not have
// reads 0.
//
// # Units
//
// Times are time.Duration; At is monotonic time (package mono), read right after the kernel
// answered. Timer.Expires comes from the kernel in milliseconds and TCP_INFO's times in
// milliseconds or microseconds; queues and window sizes are bytes, Unacked and the like segments.
//
// Sources: sock_diag(7), include/uapi/linux/inet_diag.h, include/uapi/linux/tcp.h,
// Documentation/networking/snmp_counter.rst.
package socket
