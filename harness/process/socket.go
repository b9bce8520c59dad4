package process

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/process/role"
)

// Socket is a TCP socket that a process holds.
type Socket struct {
	process       *Process
	id            int
	local, remote netip.AddrPort
}

// Backlog is that of Listen: room for more connections than a spec opens.
const Backlog = 128

// Listen opens a listening socket (SO_REUSEADDR, a backlog of Backlog). Port 0 is an ephemeral one.
// A refusal by the kernel is an *Errno.
func (p *Process) Listen(ctx context.Context, addr netip.AddrPort, opts ...Option) (*Socket, error) {
	return p.ListenWithBacklog(ctx, addr, Backlog, opts...)
}

// ListenWithBacklog is Listen with listen(2)'s second argument, which the kernel reads as one less
// than the connections that may wait to be accepted (sk_acceptq_is_full).
func (p *Process) ListenWithBacklog(ctx context.Context, addr netip.AddrPort, backlog int, opts ...Option) (*Socket, error) {
	local, err := sockaddr(addr)
	if err != nil {
		return nil, fmt.Errorf("process %q: listen on %s: %w", p.name, addr, err)
	}
	return p.open(ctx, role.Request{Op: role.OpListen, Local: local, Value: backlog, Options: onWire(opts)})
}

// Dial opens a connection with connect(2). The zero local address leaves the choice to the
// kernel, local port 0 is an ephemeral one. A refusal by the kernel is an *Errno with its stamp.
func (p *Process) Dial(ctx context.Context, local, remote netip.AddrPort, opts ...Option) (*Socket, error) {
	dialing, err := p.StartDial(ctx, local, remote, opts...)
	if err != nil {
		return nil, err
	}
	return dialing.Wait(ctx)
}

// Dialing is a connection that is being opened.
type Dialing struct {
	// Socket exists while connect(2) is under way. Its Local is known from the start where the
	// caller gave a local address; options may be set and it may be closed.
	Socket  *Socket
	request role.Request
	pending *Pending
}

// StartDial is Dial without waiting for the handshake to end.
func (p *Process) StartDial(ctx context.Context, local, remote netip.AddrPort, opts ...Option) (*Dialing, error) {
	from, err := sockaddr(local)
	if err != nil {
		return nil, fmt.Errorf("process %q: bind to %s: %w", p.name, local, err)
	}
	to, err := sockaddr(remote)
	if err != nil {
		return nil, fmt.Errorf("process %q: connect to %s: %w", p.name, remote, err)
	}
	s, err := p.open(ctx, role.Request{Op: role.OpBind, Local: from, Remote: to, Options: onWire(opts)})
	if err != nil {
		return nil, err
	}
	s.remote = remote
	connect := role.Request{Op: role.OpConnect, Socket: s.id, Remote: to}
	return &Dialing{Socket: s, request: connect, pending: p.send(ctx, connect, -1)}, nil
}

// Done is closed when connect(2) has ended, one way or the other.
func (d *Dialing) Done() <-chan struct{} { return d.pending.Done() }

// Wait returns the connected socket. A refusal by the kernel is an *Errno with its stamp, and the
// socket is closed then.
func (d *Dialing) Wait(ctx context.Context) (*Socket, error) {
	s := d.Socket
	a, err := d.pending.wait(ctx)
	if err != nil {
		return nil, fmt.Errorf("process %q: connect to %s: %w", s.process.name, s.remote, err)
	}
	if err := refusal(d.request, a); err != nil {
		return nil, err
	}
	s.local = address(a.Local)
	return s, nil
}

func (p *Process) open(ctx context.Context, r role.Request) (*Socket, error) {
	a, err := p.do(ctx, r)
	if err != nil {
		return nil, err
	}
	return &Socket{process: p, id: a.Socket, local: address(a.Local), remote: address(a.Remote)}, nil
}

func onWire(opts []Option) []role.Option {
	var list []role.Option
	for _, o := range opts {
		list = append(list, o.wire())
	}
	return list
}

// Process is the one that opened the socket.
func (s *Socket) Process() *Process { return s.process }

// Local is the socket's own address and port.
func (s *Socket) Local() netip.AddrPort { return s.local }

// Remote is the peer's address and port; the zero AddrPort for a listener.
func (s *Socket) Remote() netip.AddrPort { return s.remote }

// Accept returns the next connection of a listener. A refusal by the kernel is an *Errno.
func (s *Socket) Accept(ctx context.Context) (*Socket, error) {
	return s.process.open(ctx, role.Request{Op: role.OpAccept, Socket: s.id})
}

// Write sends all of data, and waits for room like a blocking send(2) would. A write that ends
// in an errno after the kernel took a part has both N and Errno. EPIPE raises no SIGPIPE.
func (s *Socket) Write(ctx context.Context, data []byte) (Result, error) {
	return s.result(ctx, role.Request{Op: role.OpWrite, Data: data})
}

// WriteUntilBlocked fills the send buffer: it writes until the kernel says EAGAIN, which is not
// reported as an Errno, and N is how much it took. With a peer that receives, that is a matter of
// the moment: room comes back as the peer's kernel acknowledges.
func (s *Socket) WriteUntilBlocked(ctx context.Context) (Result, error) {
	return s.result(ctx, role.Request{Op: role.OpFill})
}

// Read is one read(2) of at most max bytes, waiting for something to read.
func (s *Socket) Read(ctx context.Context, max int) (Result, error) {
	return s.result(ctx, role.Request{Op: role.OpRead, Max: max})
}

// StartRead leaves a read of at most max bytes blocked in the process. Several may be
// outstanding; each gets what comes when it is woken.
func (s *Socket) StartRead(max int) *Pending {
	return s.start(role.Request{Op: role.OpRead, Max: max})
}

// StartWrite is Write without waiting for its end.
func (s *Socket) StartWrite(data []byte) *Pending {
	return s.start(role.Request{Op: role.OpWrite, Data: data})
}

// StartAwait is AwaitEvents without waiting for its end; the events are in Result.Events.
func (s *Socket) StartAwait(mask uint32) *Pending {
	return s.start(role.Request{Op: role.OpAwait, Events: mask})
}

// AwaitEvents is poll(2): it waits until one of the events in mask (EPOLLIN, EPOLLOUT,
// EPOLLRDHUP; EPOLLERR and EPOLLHUP are always in) is there, touches nothing, and returns all of
// those that are there at that moment with their stamp.
func (s *Socket) AwaitEvents(ctx context.Context, mask uint32) (events uint32, at time.Duration, err error) {
	r, err := s.result(ctx, role.Request{Op: role.OpAwait, Events: mask})
	return r.Events, r.At, err
}

// SetInt is setsockopt(2) with an int. A refusal by the kernel is an *Errno.
func (s *Socket) SetInt(ctx context.Context, level, name, value int) error {
	return s.set(ctx, SockOpt(level, name, value))
}

// SetLinger is SO_LINGER {on, seconds}; negative: off.
func (s *Socket) SetLinger(ctx context.Context, seconds int) error {
	return s.set(ctx, Linger(seconds))
}

func (s *Socket) set(ctx context.Context, o Option) error {
	return s.do(ctx, role.Request{Op: role.OpSet, Options: []role.Option{o.wire()}})
}

// Int is getsockopt(2) of an int. A refusal by the kernel is an *Errno.
func (s *Socket) Int(ctx context.Context, level, name int) (int, error) {
	a, err := s.process.do(ctx, role.Request{Op: role.OpGet, Socket: s.id, Options: []role.Option{{Level: level, Name: name}}})
	return a.Value, err
}

// Error reads SO_ERROR, which clears it: the pending error, 0 for none.
func (s *Socket) Error(ctx context.Context) (unix.Errno, error) {
	value, err := s.Int(ctx, unix.SOL_SOCKET, unix.SO_ERROR)
	return unix.Errno(value), err
}

// Queued takes the first message off the socket's error queue; the zero Queued if it is empty.
func (s *Socket) Queued(ctx context.Context) (Queued, error) {
	a, err := s.process.do(ctx, role.Request{Op: role.OpQueued, Socket: s.id})
	return queued(a.Data), err
}

// Shutdown is shutdown(2), how being unix.SHUT_RD, SHUT_WR or SHUT_RDWR.
func (s *Socket) Shutdown(ctx context.Context, how int) error {
	return s.do(ctx, role.Request{Op: role.OpDown, Value: how})
}

// Close closes the process's descriptor. Calls pending on it end with ErrClosed.
func (s *Socket) Close(ctx context.Context) error {
	return s.do(ctx, role.Request{Op: role.OpClose})
}

// StartClose is Close without waiting for its end, for a close(2) that SO_LINGER may block. The
// process goes on serving its other sockets meanwhile; calls pending on this one end with ErrClosed.
func (s *Socket) StartClose() *Pending { return s.start(role.Request{Op: role.OpClose}) }

func (s *Socket) do(ctx context.Context, r role.Request) error {
	r.Socket = s.id
	_, err := s.process.do(ctx, r)
	return err
}

func (s *Socket) result(ctx context.Context, r role.Request) (Result, error) {
	r.Socket = s.id
	a, err := s.process.call(ctx, r)
	if err != nil {
		return Result{}, err
	}
	return result(a), nil
}

func (s *Socket) start(r role.Request) *Pending {
	r.Socket = s.id
	return s.process.send(context.Background(), r, -1)
}
