// Package lab builds the stage of one spec and breaks it: hosts, the switch that joins them, the
// cables in between.
//
// A host is a network namespace of its own, held by a file descriptor and by an OS thread that
// never leaves it, so there is nothing to sweep after a SIGKILL. The switch is a bridge in one more
// namespace; a host's cable is the veth pair between the two. Unplugging a cable takes the switch's
// end down: carrier goes from that host alone, and every other host sees silence. A host's namespace is
// always a fresh one; the switch's, and processes that outlive their spec, serve one lab after another.
//
// A host can also be a machine (Machine) with a kernel of its own, whose cable ends in the same switch: the
// far end of its veth is joined to the machine's network card frame by frame. What is asked of a host's
// kernel goes through its Stack, which is a namespace's (Local) or a machine's, so that a spec need not
// know. Only a machine can Panic, Reset, Restart and Pause.
//
// A router may stand between the hosts: a namespace with a cable in each of two networks, which
// forwards between them and can be a firewall or a NAT. The second network is one more bridge in the
// switch's namespace, so that one capture sees both cables.
//
// Every host has an IPv4 address from TEST-NET-1, or from TEST-NET-2 behind the router (RFC 5737), and an
// IPv6 address from the documentation prefix (RFC 3849). Nothing a lab sends can leave it: no namespace of a lab has a
// device that leads outside.
//
// Faults are named as people say them: PowerOff, Reboot, Unplug, Replug, Blackhole, RemoveAddress,
// RestoreAddress, the firewalls of a host, and Forget of what a router tracks. Each is noted on the wire's record with its time.
package lab
