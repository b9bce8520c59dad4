package process

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/mono"
)

// descriptor is a non-blocking socket. Every system call on it is made while mu is held, and none
// of them waits, so that close is a close: a thread in recv(2) would hold the file, and with it
// the FIN, until it woke.
type descriptor struct {
	mu    sync.Mutex
	fd    int // -1 once closed
	waits map[*os.File]struct{}
}

// use runs a system call that does not wait.
func (d *descriptor) use(call func(fd int) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fd < 0 {
		return ErrClosed
	}
	for {
		if err := call(d.fd); err != unix.EINTR {
			return err
		}
	}
}

// close closes the descriptor and ends the waits for it.
func (d *descriptor) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fd < 0 {
		return ErrClosed
	}
	return d.release()
}

// release closes; the caller holds mu.
func (d *descriptor) release() error {
	err := unix.Close(d.fd)
	d.fd = -1
	for w := range d.waits {
		w.Close()
	}
	d.waits = nil
	return err
}

// wait waits for events, and returns those that are there, errors included.
func (d *descriptor) wait(mask uint32) (uint32, error) { return d.waitFor(mask, 0) }

// waitFor is wait for so long at the most, and os.ErrDeadlineExceeded after that; 0: for ever.
//
// It uses an epoll of its own, inside the runtime's: level-triggered, without a reference to the
// socket's file, and nothing is registered for a socket nobody waits for. The runtime's own
// registration would allow one reader and no waiting for EPOLLRDHUP or EPOLLERR alone.
func (d *descriptor) waitFor(mask uint32, most time.Duration) (uint32, error) {
	d.mu.Lock()
	if d.fd < 0 {
		d.mu.Unlock()
		return 0, ErrClosed
	}
	set, err := newWait(d.fd, mask)
	if err != nil {
		d.mu.Unlock()
		return 0, err
	}
	if d.waits == nil {
		d.waits = map[*os.File]struct{}{}
	}
	d.waits[set] = struct{}{}
	d.mu.Unlock()

	if most > 0 {
		_ = set.SetReadDeadline(time.Now().Add(most)) // it is the runtime's poller that waits, so it can
	}
	var events [1]unix.EpollEvent
	conn, err := set.SyscallConn()
	if err == nil {
		var waited error
		err = conn.Read(func(fd uintptr) bool {
			var n int
			n, waited = unix.EpollWait(int(fd), events[:], 0)
			return n > 0 || (waited != nil && waited != unix.EINTR)
		})
		if err == nil {
			err = waited
		}
	}

	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fd < 0 {
		return 0, ErrClosed
	}
	delete(d.waits, set)
	set.Close()
	return events[0].Events, err
}

func newWait(fd int, mask uint32) (*os.File, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: mask}); err != nil {
		unix.Close(epoll)
		return nil, err
	}
	// Only what is marked as non-blocking is handed to the runtime's poller.
	if err := unix.SetNonblock(epoll, true); err != nil {
		unix.Close(epoll)
		return nil, err
	}
	return os.NewFile(uintptr(epoll), "wait"), nil
}

// attempt makes a call at once, and as often as the events in mask come while it says EAGAIN.
func (r *role) attempt(q request, d *descriptor, name string, mask uint32, call func(fd int) (answer, error)) {
	once := func() (a answer, err error) {
		err = d.use(func(fd int) error {
			a, err = call(fd)
			if a.At == 0 {
				a.At = mono.Now()
			}
			return err
		})
		return a, err
	}
	a, err := once()
	if err != unix.EAGAIN {
		r.reply(finish(q, a, name, err))
		return
	}
	go func() {
		for err == unix.EAGAIN {
			if _, err = d.wait(mask); err == nil {
				a, err = once()
			}
		}
		r.reply(finish(q, a, name, err))
	}()
}

// keep gives a descriptor a number.
func (r *role) keep(fd int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	r.sockets[r.last] = &descriptor{fd: fd}
	return r.last
}

// open makes a socket for connect or listen.
func (r *role) open(q request) answer {
	family := unix.AF_INET6
	if addr := q.Local.Addr(); addr.Is4() || (!addr.IsValid() && q.Remote.Addr().Is4()) {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return finish(q, answer{}, "socket", err)
	}
	a, call, err := q.apply(fd)
	if err != nil {
		unix.Close(fd)
		return finish(q, answer{}, call, err)
	}
	a.Socket = r.keep(fd)
	return finish(q, a, call, nil)
}

// apply sets options, binds and listens; it returns the call that failed with its error.
func (q request) apply(fd int) (a answer, call string, err error) {
	if q.Op == opListen {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return a, "set SO_REUSEADDR", err
		}
	}
	for _, o := range q.Options {
		if err := o.set(fd); err != nil {
			return a, fmt.Sprintf("setsockopt(%d, %d, %d)", o.Level, o.Name, o.Value), err
		}
	}
	if q.Local.IsValid() {
		sa, err := sockaddr(q.Local)
		if err == nil {
			err = unix.Bind(fd, sa)
		}
		if err != nil {
			return a, "bind to " + q.Local.String(), err
		}
	}
	if q.Op == opListen {
		if err := unix.Listen(fd, q.Value); err != nil {
			return a, "listen on " + q.Local.String(), err
		}
	}
	a.Local, err = localAddress(fd)
	return a, "getsockname", err
}

// connect is connect(2): a non-blocking one that is waited for, whose error SO_ERROR has then.
func (r *role) connect(q request, d *descriptor) {
	name := "connect to " + q.Remote.String()
	sa, err := sockaddr(q.Remote)
	if err != nil {
		r.reply(finish(q, answer{}, name, err))
		return
	}
	started := false
	r.attempt(q, d, name, unix.EPOLLOUT, func(fd int) (a answer, err error) {
		if !started {
			started = true
			err = unix.Connect(fd, sa)
			if err == unix.EINPROGRESS {
				return a, unix.EAGAIN
			}
		} else {
			var value int
			value, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
			if err == nil && value != 0 {
				err = unix.Errno(value)
			}
		}
		a.At = mono.Now()
		if err != nil {
			a.Queued, _ = takeQueued(fd) // an empty queue is no failure of connect's
			_ = d.release()              // what connect said is the news
			return a, err
		}
		a.Local, err = localAddress(fd)
		return a, err
	})
}

func (r *role) accept(q request, d *descriptor) {
	r.attempt(q, d, "accept", unix.EPOLLIN, func(fd int) (a answer, err error) {
		conn, sa, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return a, err
		}
		a.Remote = address(sa)
		if a.Local, err = localAddress(conn); err != nil {
			unix.Close(conn)
			return a, err
		}
		a.Socket = r.keep(conn)
		return a, nil
	})
}

func (r *role) read(q request, d *descriptor) {
	buffer := make([]byte, max(q.Max, 1))
	r.attempt(q, d, "read", unix.EPOLLIN|unix.EPOLLRDHUP, func(fd int) (a answer, err error) {
		n, err := unix.Read(fd, buffer)
		if err != nil {
			return a, err
		}
		return answer{N: n, Data: buffer[:n], EOF: n == 0}, nil
	})
}

func (r *role) write(q request, d *descriptor) {
	taken := 0
	r.attempt(q, d, "write", unix.EPOLLOUT, func(fd int) (answer, error) {
		for {
			n, err := unix.SendmsgN(fd, q.Data[taken:], nil, nil, unix.MSG_NOSIGNAL)
			if err == nil {
				taken += n
			}
			if err != nil || taken == len(q.Data) {
				return answer{N: taken}, err
			}
		}
	})
}

// fill writes the same bytes over and over; who reads them can tell where they are.
func (r *role) fill(q request, d *descriptor) {
	chunk := make([]byte, 64<<10)
	for i := range chunk {
		chunk[i] = byte(i)
	}
	a := answer{}
	err := d.use(func(fd int) error {
		for {
			// 256 divides the chunk, so byte k of the stream is byte(k).
			n, err := unix.SendmsgN(fd, chunk[a.N%256:], nil, nil, unix.MSG_NOSIGNAL)
			if err != nil {
				a.At = mono.Now()
				if err == unix.EAGAIN {
					return nil
				}
				return err
			}
			a.N += n
		}
	})
	r.reply(finish(q, a, "write", err))
}

func (r *role) await(q request, d *descriptor) {
	now := []unix.PollFd{{Events: int16(q.Events)}} // the bits of poll(2) and epoll(7) are the same
	err := d.use(func(fd int) error {
		now[0].Fd = int32(fd)
		_, err := unix.Poll(now, 0)
		return err
	})
	if err != nil || now[0].Revents != 0 {
		r.reply(finish(q, answer{Events: uint32(uint16(now[0].Revents))}, "poll", err))
		return
	}
	go func() {
		events, err := d.wait(q.Events)
		r.reply(finish(q, answer{Events: events}, "poll", err))
	}()
}

// configure is setsockopt, getsockopt and shutdown.
func (r *role) configure(q request, d *descriptor) {
	a := answer{}
	name := fmt.Sprintf("shutdown(%d)", q.Value)
	err := d.use(func(fd int) (err error) {
		switch q.Op {
		case opDown:
			return unix.Shutdown(fd, q.Value)
		case opSet:
			o := q.Options[0]
			name = fmt.Sprintf("setsockopt(%d, %d, %d)", o.Level, o.Name, o.Value)
			return o.set(fd)
		default:
			o := q.Options[0]
			name = fmt.Sprintf("getsockopt(%d, %d)", o.Level, o.Name)
			a.Value, err = unix.GetsockoptInt(fd, o.Level, o.Name)
			return err
		}
	})
	r.reply(finish(q, a, name, err))
}

func localAddress(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return address(sa), nil
}

// address is the kernel's address as we write it: IPv4 also where it came mapped into IPv6.
func address(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.ZoneId != 0 {
			addr = addr.WithZone(strconv.Itoa(int(sa.ZoneId)))
		}
		return netip.AddrPortFrom(addr, uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// sockaddr is the way back. A zone must be an interface's index.
func sockaddr(ap netip.AddrPort) (unix.Sockaddr, error) {
	addr := ap.Addr()
	if addr.Is4() {
		return &unix.SockaddrInet4{Port: int(ap.Port()), Addr: addr.As4()}, nil
	}
	if !addr.IsValid() {
		return nil, fmt.Errorf("%s is no address and port", ap)
	}
	zone := 0
	if addr.Zone() != "" {
		var err error
		if zone, err = strconv.Atoi(addr.Zone()); err != nil {
			return nil, fmt.Errorf("zone of %s is not the index of an interface", addr)
		}
	}
	return &unix.SockaddrInet6{Port: int(ap.Port()), Addr: addr.As16(), ZoneId: uint32(zone)}, nil
}
