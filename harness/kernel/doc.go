// Package kernel says what the running kernel is, what it can do and how the calling thread's
// network namespace is set: release, HZ, features, sysctls, profile.
//
// # Words
//
//   - The release is what uname -r prints. It is not a semantic version ("5.15.0-76-generic" is older
//     than 5.15.1, not a pre-release of anything); [ParseRelease] takes the numbers in front.
//   - A feature is something that not every kernel has. Its probe tries it, and is the truth; the
//     release that brought it is only what the probe is checked against ([Check]).
//   - A setting is a sysctl with the value it must have and why. A [Profile] is a list of them, for each
//     host's namespace; a [Custom] one is made of somebody's own settings and named by them.
//
// # Threads
//
// Everything here that reads or writes a sysctl, or probes, acts on the network namespace of the
// calling thread, and so must be called on a thread that is locked into one. /proc/sys/net needs no
// detour over /proc/thread-self: unlike /proc/net it is no symbolic link into a process's
// directory; the kernel looks the name up in the namespace of whichever thread opens it
// (net_ctl_header_lookup in net/sysctl_net.c takes current->nsproxy->net_ns).
//
// In a namespace owned by one's own user namespace these need no root (net_ctl_permissions).
//
// # Sources
//
// Documentation/networking/ip-sysctl.rst, tcp(7), net/ipv4/sysctl_net_ipv4.c, net/ipv4/tcp.c.
package kernel
