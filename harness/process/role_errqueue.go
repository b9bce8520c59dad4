package process

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// queued takes one message off the socket's error queue (recvmsg(2) with MSG_ERRQUEUE); the zero
// Queued if the queue is empty.
func (r *role) queued(q request, d *descriptor) {
	var a answer
	err := d.use(func(fd int) (err error) {
		a.Queued, err = takeQueued(fd)
		return err
	})
	r.reply(finish(q, a, "recvmsg(MSG_ERRQUEUE)", err))
}

func takeQueued(fd int) (Queued, error) {
	control := make([]byte, 512)
	_, n, _, _, err := unix.Recvmsg(fd, make([]byte, 512), control, unix.MSG_ERRQUEUE)
	if err == unix.EAGAIN {
		return Queued{}, nil
	}
	if err != nil {
		return Queued{}, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		return Queued{}, err
	}
	for _, m := range messages {
		v4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR
		v6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if v4 || v6 {
			return extendedError(m.Data), nil
		}
	}
	return Queued{}, nil
}

// extendedError reads struct sock_extended_err (linux/errqueue.h) and the sockaddr of the sender behind it.
func extendedError(data []byte) Queued {
	const size = 16
	if len(data) < size {
		return Queued{}
	}
	e := Queued{Errno: unix.Errno(binary.NativeEndian.Uint32(data)), Origin: data[4], Type: data[5], Code: data[6]}
	sender := data[size:]
	if len(sender) < 2 {
		return e
	}
	switch family := binary.NativeEndian.Uint16(sender); {
	case family == unix.AF_INET && len(sender) >= unix.SizeofSockaddrInet4:
		e.Sender, _ = netip.AddrFromSlice(sender[4:8])
	case family == unix.AF_INET6 && len(sender) >= unix.SizeofSockaddrInet6:
		e.Sender, _ = netip.AddrFromSlice(sender[8:24])
	}
	return e
}
