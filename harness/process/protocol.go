package process

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/process/role"
)

// listen hands every answer that comes over the control channel to take, until that has had the last, or the
// channel ends, or what can be understood.
func (p *own) listen(take func(role.Answer) (last bool)) (hadLast bool) {
	var inbox []byte
	chunk := make([]byte, 16<<10)
	for {
		n, err := p.control.Read(chunk)
		inbox = append(inbox, chunk[:n]...)
		for {
			body, rest, whole, unintelligible := role.Body(inbox)
			if unintelligible != nil {
				return false
			}
			if !whole {
				break
			}
			answer, unintelligible := role.ParseAnswer(body)
			if unintelligible != nil {
				return false
			}
			inbox = rest
			if take(answer) {
				return true
			}
		}
		if err != nil {
			return false
		}
	}
}

// failure is what the answer says went wrong with the tool.
func failure(a role.Answer) error {
	switch {
	case a.Closed:
		return ErrClosed
	case a.Fault != "":
		return fmt.Errorf("%s", a.Fault)
	}
	return nil
}

// refusal is the kernel's errno as an error, for calls that have no Result.
func refusal(r role.Request, a role.Answer) error {
	if a.Errno == 0 {
		return nil
	}
	op := a.Call
	switch op {
	case role.OpBind:
		op = "bind to " + address(r.Local).String()
	case role.OpListen:
		op = "listen on " + address(r.Local).String()
	case role.OpConnect:
		op = "connect to " + address(r.Remote).String()
	}
	return &Errno{Op: op, Errno: a.Errno, At: time.Duration(a.At), Give: time.Duration(a.Give), Queued: queued(a.Queued)}
}

// result is what an application sees of the answer.
func result(a role.Answer) Result {
	return Result{N: a.N, Data: a.Data, EOF: a.EOF, Errno: a.Errno, Events: a.Events, Late: a.Late, At: time.Duration(a.At), Give: time.Duration(a.Give)}
}

// sockaddr is an address as the kernel has it. A zone must be an interface's index. The zero AddrPort
// gives none.
func sockaddr(ap netip.AddrPort) (role.Address, error) {
	addr := ap.Addr()
	switch {
	case !addr.IsValid():
		return nil, nil
	case addr.Is4():
		raw := make(role.Address, unix.SizeofSockaddrInet4)
		binary.NativeEndian.PutUint16(raw, unix.AF_INET)
		binary.BigEndian.PutUint16(raw[2:], ap.Port())
		copy(raw[4:], addr.AsSlice())
		return raw, nil
	}
	zone := 0
	if addr.Zone() != "" {
		var err error
		if zone, err = strconv.Atoi(addr.Zone()); err != nil {
			return nil, fmt.Errorf("zone of %s is not the index of an interface", addr)
		}
	}
	raw := make(role.Address, unix.SizeofSockaddrInet6)
	binary.NativeEndian.PutUint16(raw, unix.AF_INET6)
	binary.BigEndian.PutUint16(raw[2:], ap.Port())
	copy(raw[8:], addr.AsSlice())
	binary.NativeEndian.PutUint32(raw[24:], uint32(zone))
	return raw, nil
}

// address is the way back: IPv4 also where it came mapped into IPv6.
func address(raw []byte) netip.AddrPort {
	if len(raw) < 2 {
		return netip.AddrPort{}
	}
	switch family := binary.NativeEndian.Uint16(raw); {
	case family == unix.AF_INET && len(raw) >= unix.SizeofSockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[4:8])), binary.BigEndian.Uint16(raw[2:]))
	case family == unix.AF_INET6 && len(raw) >= unix.SizeofSockaddrInet6:
		addr := netip.AddrFrom16([16]byte(raw[8:24])).Unmap()
		if zone := binary.NativeEndian.Uint32(raw[24:]); zone != 0 {
			addr = addr.WithZone(strconv.Itoa(int(zone)))
		}
		return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(raw[2:]))
	}
	return netip.AddrPort{}
}

// queued finds the message of the error queue among control messages; the zero Queued if there is none.
func queued(control []byte) Queued {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return Queued{}
	}
	for _, m := range messages {
		v4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR
		v6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if v4 || v6 {
			return extendedError(m.Data)
		}
	}
	return Queued{}
}

// extendedError reads struct sock_extended_err (linux/errqueue.h) and the sockaddr of the sender behind it.
func extendedError(data []byte) Queued {
	const size = 16
	if len(data) < size {
		return Queued{}
	}
	return Queued{
		Errno: unix.Errno(binary.NativeEndian.Uint32(data)), Origin: data[4], Type: data[5], Code: data[6],
		Sender: address(data[size:]).Addr(),
	}
}
