package socket

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
)

// Snapshot is one TCP socket at one moment.
type Snapshot struct {
	At            time.Duration // monotonic time right after the kernel answered
	Local, Remote netip.AddrPort
	State         State
	Timer         Timer
	Inode         uint32 // 0 when no process holds the socket
	UID           uint32
	ReceiveQueue  uint32 // bytes the application has not read; of a listener, connections not accepted
	SendQueue     uint32 // bytes not acknowledged or not sent; of a listener, the backlog
	Info          *Info  // nil where the kernel keeps none: SYN-RECEIVED, TIME-WAIT, orphans in FIN-WAIT-2

	cookie [8]byte // the kernel's own name for this socket
}

// Orphaned tells that the socket is there and no process holds it.
func (s Snapshot) Orphaned() bool { return s.State != Gone && s.Inode == 0 }

// String tells the socket in one line, as ss(8) would.
func (s Snapshot) String() string {
	if s.State == Gone {
		return fmt.Sprintf("%s -> %s gone", s.Local, s.Remote)
	}
	text := fmt.Sprintf("%s -> %s %s, %s", s.Local, s.Remote, s.State, s.Timer)
	if s.Inode == 0 {
		text += ", held by no process"
	}
	if s.ReceiveQueue > 0 || s.SendQueue > 0 {
		text += fmt.Sprintf(", receive queue %d, send queue %d", s.ReceiveQueue, s.SendQueue)
	}
	return text
}

// The attributes asked for and read (include/uapi/linux/inet_diag.h).
const attributeInfo = 2 // INET_DIAG_INFO

// sizeofID is struct inet_diag_sockid; sizeofMessage is struct inet_diag_msg.
const (
	sizeofID      = 48
	sizeofMessage = 4 + sizeofID + 5*4
)

// decode reads struct inet_diag_msg and the attributes after it.
func decode(message []byte, at time.Duration) (Snapshot, error) {
	if len(message) < sizeofMessage {
		return Snapshot{}, fmt.Errorf("sock_diag answered %d bytes, less than inet_diag_msg", len(message))
	}
	native := binary.NativeEndian
	family, id, rest := message[0], message[4:4+sizeofID], message[4+sizeofID:sizeofMessage]
	s := Snapshot{
		At:     at,
		State:  State(message[1]),
		Local:  netip.AddrPortFrom(address(family, id[4:20]), binary.BigEndian.Uint16(id[0:])),
		Remote: netip.AddrPortFrom(address(family, id[20:36]), binary.BigEndian.Uint16(id[2:])),
		Timer: Timer{
			Kind:    TimerKind(message[2]),
			Count:   int(message[3]),
			Expires: time.Duration(native.Uint32(rest[0:])) * time.Millisecond,
		},
		ReceiveQueue: native.Uint32(rest[4:]),
		SendQueue:    native.Uint32(rest[8:]),
		UID:          native.Uint32(rest[12:]),
		Inode:        native.Uint32(rest[16:]),
		cookie:       [8]byte(id[40:48]),
	}
	if s.Timer.Kind == NoTimer {
		s.Timer = Timer{}
	}
	for attributes := message[sizeofMessage:]; len(attributes) >= 4; {
		length := int(native.Uint16(attributes))
		if length < 4 || length > len(attributes) {
			return Snapshot{}, fmt.Errorf("sock_diag answered an attribute of %d bytes where %d are left", length, len(attributes))
		}
		if native.Uint16(attributes[2:]) == attributeInfo {
			s.Info = decodeInfo(attributes[4:length])
		}
		attributes = attributes[min((length+3)&^3, len(attributes)):]
	}
	return s, nil
}

// address is one of the socket's; IPv4 also where the socket is an IPv6 one that talks IPv4.
func address(family byte, raw []byte) netip.Addr {
	if family == familyIPv4 {
		return netip.AddrFrom4([4]byte(raw))
	}
	return netip.AddrFrom16([16]byte(raw)).Unmap()
}
