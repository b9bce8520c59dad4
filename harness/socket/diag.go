package socket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/mono"
)

const (
	familyIPv4 = unix.AF_INET
	familyIPv6 = unix.AF_INET6

	// sizeofRequest is struct inet_diag_req_v2.
	sizeofRequest = 8 + sizeofID

	allStates = 1<<(NewSynRecv+1) - 1

	// listBothFamilies is TCPDIAG_GETSOCK, the first interface, which lists IPv4 and IPv6 at once
	// (inet_diag_dump_compat): the kernel walks its table once and not twice.
	listBothFamilies = 18
	// sizeofListRequest is struct inet_diag_req.
	sizeofListRequest = 4 + sizeofID + 8
)

// noCookie is INET_DIAG_NOCOOKIE: whichever socket has these addresses.
var noCookie = [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Diag asks one network namespace about its TCP sockets. It may be used from any goroutine.
type Diag struct {
	mu      sync.Mutex
	sockets map[int]*nl.SocketHandle // nil once closed
}

// Open opens a NETLINK_INET_DIAG socket in the network namespace of the calling thread. Close it
// when done: it holds the namespace.
func Open() (*Diag, error) {
	// Without namespaces to go to and to come back to, this stays on the calling thread.
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_INET_DIAG)
	if err != nil {
		return nil, fmt.Errorf("open a sock_diag socket: %w", err)
	}
	return &Diag{sockets: map[int]*nl.SocketHandle{unix.NETLINK_INET_DIAG: {Socket: s}}}, nil
}

// Close closes the netlink socket. It may be called again.
func (d *Diag) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.sockets {
		s.Close()
	}
	d.sockets = nil
	return nil
}

// Get is the socket with exactly these addresses. There being none is no error: its State is Gone.
// A listener is asked for with the zero remote address.
func (d *Diag) Get(local, remote netip.AddrPort) (Snapshot, error) {
	s, err := d.get(local, remote)
	if err != nil {
		return Snapshot{}, fmt.Errorf("look at the socket %s -> %s: %w", local, remote, err)
	}
	return s, nil
}

func (d *Diag) get(local, remote netip.AddrPort) (Snapshot, error) {
	local, remote = unmap(local), unmap(remote)
	gone := Snapshot{Local: local, Remote: remote}
	if !local.IsValid() || (remote.IsValid() && remote.Addr().Is4() != local.Addr().Is4()) {
		return gone, errors.New("these are not two addresses of one family")
	}
	found, err := d.execute(unix.NLM_F_REQUEST, query{kind: nl.SOCK_DIAG_BY_FAMILY, local: local, remote: remote, cookie: noCookie})
	if errors.Is(err, unix.ENOENT) {
		gone.At = mono.Now()
		return gone, nil
	}
	if err != nil {
		return gone, err
	}
	if len(found) != 1 {
		return gone, fmt.Errorf("sock_diag answered %d sockets", len(found))
	}
	// The kernel looks up as for a packet that came in (inet_diag_find_one_icsk): where there is
	// no such connection, it answers the listener on that port.
	s := found[0]
	if s.Local != local && s.State != Listen || remote.IsValid() != (s.State != Listen) || remote.IsValid() && s.Remote != remote {
		gone.At = s.At
		return gone, nil
	}
	return s, nil
}

// List is every TCP socket of the namespace, of both families, in no particular order: listeners,
// orphans, TIME-WAIT and SYN-RECEIVED included.
func (d *Diag) List() ([]Snapshot, error) {
	all, err := d.dump(query{kind: listBothFamilies})
	if err != nil {
		return nil, fmt.Errorf("list TCP sockets: %w", err)
	}
	return all, nil
}

// dump asks again when the table changed under the dump.
func (d *Diag) dump(q query) ([]Snapshot, error) {
	for {
		found, err := d.execute(unix.NLM_F_REQUEST|unix.NLM_F_DUMP, q)
		if !errors.Is(err, nl.ErrDumpInterrupted) {
			return found, err
		}
	}
}

// Destroy is SOCK_DESTROY, what ss -K does: the process reads ECONNABORTED, the peer gets a RST.
// errors.Is tells unix.ENOENT where there is no such socket, unix.EOPNOTSUPP where the kernel
// cannot (CONFIG_INET_DIAG_DESTROY; TIME-WAIT before 6.1), unix.EPERM without CAP_NET_ADMIN over
// the namespace.
func (d *Diag) Destroy(local, remote netip.AddrPort) error {
	s, err := d.get(local, remote)
	if err == nil {
		err = d.destroy(s)
	}
	if err != nil {
		return fmt.Errorf("destroy the socket %s -> %s: %w", local, remote, err)
	}
	return nil
}

// destroy names the socket by its cookie, so that it hits this one and not, by the lookup's
// fallback, the listener on its port.
func (d *Diag) destroy(s Snapshot) error {
	if s.State == Gone {
		return unix.ENOENT
	}
	_, err := d.execute(unix.NLM_F_REQUEST|unix.NLM_F_ACK, query{kind: unix.SOCK_DESTROY, local: s.Local, remote: s.Remote, cookie: s.cookie})
	return err
}

// DestroyAll destroys every TCP socket that is there, listeners first so that none comes after. It
// goes on where one cannot be destroyed, and returns those errors joined; a socket that is gone by
// the time it is its turn is none.
func (d *Diag) DestroyAll() error {
	all, err := d.List()
	if err != nil {
		return err
	}
	var failed []error
	for _, listeners := range []bool{true, false} {
		for _, s := range all {
			if (s.State == Listen) != listeners {
				continue
			}
			if err := d.destroy(s); err != nil && !errors.Is(err, unix.ENOENT) {
				failed = append(failed, fmt.Errorf("destroy %s: %w", s, err))
			}
		}
	}
	return errors.Join(failed...)
}

// query is what struct inet_diag_req_v2 is filled with.
type query struct {
	kind          int
	local, remote netip.AddrPort
	cookie        [8]byte
}

func (q query) encode() []byte {
	if q.kind == listBothFamilies {
		b := make([]byte, sizeofListRequest)
		b[3] = 1 << (attributeInfo - 1)
		binary.NativeEndian.PutUint32(b[4+sizeofID:], allStates)
		return b
	}
	b := make([]byte, sizeofRequest)
	b[0] = familyIPv6
	if q.local.Addr().Is4() {
		b[0] = familyIPv4
	}
	b[1] = unix.IPPROTO_TCP
	b[2] = 1 << (attributeInfo - 1)
	binary.NativeEndian.PutUint32(b[4:], allStates)
	id := b[8:]
	binary.BigEndian.PutUint16(id[0:], q.local.Port())
	binary.BigEndian.PutUint16(id[2:], q.remote.Port())
	copy(id[4:20], q.local.Addr().AsSlice())
	copy(id[20:36], q.remote.Addr().AsSlice())
	copy(id[40:48], q.cookie[:])
	return b
}

// execute sends one query and decodes what comes back.
func (d *Diag) execute(flags int, q query) ([]Snapshot, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sockets == nil {
		return nil, errors.New("the sock_diag socket is closed")
	}
	request := nl.NewNetlinkRequest(q.kind, flags)
	request.Sockets = d.sockets
	request.AddRawData(q.encode())
	var found []Snapshot
	var malformed error
	err := request.ExecuteIter(unix.NETLINK_INET_DIAG, uint16(q.kind), func(message []byte) bool {
		var s Snapshot
		if s, malformed = decode(message, mono.Now()); malformed != nil {
			return false
		}
		found = append(found, s)
		return true
	})
	if err == nil {
		err = malformed
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}

func unmap(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}
