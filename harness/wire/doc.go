// Package wire watches the cables of a lab: it captures every frame that crosses the switch,
// decodes the TCP segments among them, says of each what it is (a retransmission, a keepalive
// probe, ...) and whether it reached the other end, and writes it all as a pcapng file that
// tells the story of a spec.
//
// Words:
//
//   - frame: what a port of the switch saw, once entering (a host sent it) and, unless it was
//     lost, once leaving at another port.
//   - segment: one TCP segment as it left a host, taken from the frame that entered the switch.
//   - delivered: the same IP packet left the switch at the port of the host it was for. A
//     segment that met an unplugged cable is not delivered. Delivery to a port says nothing of
//     a firewall behind it.
//   - router: a host with a port in two networks of the switch. A segment that it sends on is still the
//     one that its host sent: it is delivered when it leaves the switch at the port of the host it is
//     for, and one that the router drops is not. What a router makes itself, such as the RST by which
//     it rejects, is from the router, whatever its source address says. ICMP errors are told for each
//     network by themselves.
//   - conversation: all segments between two address:port pairs; it holds several connections
//     where a host opened the same pair again.
//   - recording: a pcapng file of a capture, read back. It tells the same story, but for what only the
//     leaving copies know: when a segment was delivered.
//   - note: something that happened beside the wire (a fault, a write, what a read returned).
//
// Times are CLOCK_MONOTONIC (package mono). Sequence numbers are given as they crossed, and
// relative to the connection's SYN as Wireshark shows them. A segment's number is the number
// of its frame in the pcapng file.
//
// What a segment is follows from the order of frames in the switch (RFC 9293 section 3.4;
// RFC 1122 section 4.2.3.6 and tcp_xmit_probe_skb for probes; RFC 5961 for challenge ACKs).
// Hosts should have segmentation offload switched off, or several segments cross as one frame.
//
// Sources: packet(7), socket(7) SO_TIMESTAMPNS, net/packet/af_packet.c, the pcapng draft
// (draft-ietf-opsawg-pcapng).
package wire
