package role

import "syscall"

// keep gives a descriptor a number.
func (p *process) keep(fd int) int {
	id := len(p.sockets)
	p.sockets = append(p.sockets, &descriptor{process: p, id: id, fd: fd})
	return id
}

// open makes a socket for connect or listen.
func (p *process) open(q Request) Answer {
	family := q.Local.family()
	if family == syscall.AF_UNSPEC {
		family = q.Remote.family()
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, syscall.IPPROTO_TCP)
	if err != nil {
		return finish(q, Answer{}, "socket", err)
	}
	a, call, err := q.apply(fd)
	if err != nil {
		syscall.Close(fd)
		return finish(q, Answer{}, call, err)
	}
	a.Socket = p.keep(fd)
	return finish(q, a, call, nil)
}

// apply sets options, binds and listens; it returns the call that failed with its error.
func (q Request) apply(fd int) (a Answer, call string, err error) {
	if q.Op == OpListen {
		if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
			return a, "set SO_REUSEADDR", err
		}
	}
	for _, o := range q.Options {
		if err := o.set(fd); err != nil {
			return a, o.setting(), err
		}
	}
	if len(q.Local) > 0 {
		if err := bind(fd, q.Local); err != nil {
			return a, OpBind, err
		}
	}
	if q.Op == OpListen {
		if err := syscall.Listen(fd, q.Value); err != nil {
			return a, OpListen, err
		}
	}
	a.Local, err = localAddress(fd)
	return a, "getsockname", err
}

func (o Option) set(fd int) error {
	if !o.Linger {
		return syscall.SetsockoptInt(fd, o.Level, o.Name, o.Value)
	}
	l := syscall.Linger{Onoff: 1, Linger: int32(o.Value)}
	if o.Value < 0 {
		l = syscall.Linger{}
	}
	return syscall.SetsockoptLinger(fd, o.Level, o.Name, &l)
}

func (o Option) setting() string {
	return "setsockopt(" + decimal(o.Level) + ", " + decimal(o.Name) + ", " + decimal(o.Value) + ")"
}

// connect is connect(2): a non-blocking one that is waited for, and asked again when epoll(7) tells of it. To look at
// SO_ERROR instead would be too early now and then: over IPv4 an ICMP error is put into the error queue and told of
// before the socket has failed (tcp_v4_err, ip_icmp_error), and a process on another processor that is
// quick enough finds no error yet and takes the connection for open. connect(2) looks with the socket locked.
func (d *descriptor) connect(q Request) {
	d.attempt(q, OpConnect, syscall.EPOLLOUT, func(fd int) (a Answer, err error) {
		err = connect(fd, q.Remote)
		if err == syscall.EINPROGRESS || err == syscall.EALREADY {
			return a, syscall.EAGAIN
		}
		a.At = now()
		if err != nil {
			a.Queued, _ = takeQueued(fd) // an empty queue is no failure of connect's
			if fd, left := d.leave(); left == nil {
				_ = syscall.Close(fd) // what connect said is the news
			}
			return a, err
		}
		a.Local, err = localAddress(fd)
		return a, err
	})
}

func (d *descriptor) accept(q Request) {
	d.attempt(q, OpAccept, syscall.EPOLLIN, func(fd int) (a Answer, err error) {
		conn, remote, err := accept(fd)
		if err != nil {
			return a, err
		}
		a.Remote = remote
		if a.Local, err = localAddress(conn); err != nil {
			syscall.Close(conn)
			return a, err
		}
		a.Socket = d.process.keep(conn)
		return a, nil
	})
}

func (d *descriptor) read(q Request) {
	buffer := make([]byte, max(q.Max, 1))
	d.attempt(q, OpRead, syscall.EPOLLIN|syscall.EPOLLRDHUP, func(fd int) (a Answer, err error) {
		n, err := syscall.Read(fd, buffer)
		if err != nil {
			return a, err
		}
		return Answer{N: n, Data: buffer[:n], EOF: n == 0}, nil
	})
}

func (d *descriptor) write(q Request) {
	taken := 0
	d.attempt(q, OpWrite, syscall.EPOLLOUT, func(fd int) (Answer, error) {
		for {
			n, err := send(fd, q.Data[taken:])
			if err == nil {
				taken += n
			}
			if err != nil || taken == len(q.Data) {
				return Answer{N: taken}, err
			}
		}
	})
}

// fill writes the same bytes over and over; who reads them can tell where they are.
func (d *descriptor) fill(q Request) {
	chunk := make([]byte, 64<<10)
	for i := range chunk {
		chunk[i] = byte(i)
	}
	a := Answer{}
	err := d.use(func(fd int) error {
		for {
			// 256 divides the chunk, so byte k of the stream is byte(k).
			n, err := send(fd, chunk[a.N%256:])
			if err != nil {
				a.At = now()
				if err == syscall.EAGAIN {
					return nil
				}
				return err
			}
			a.N += n
		}
	})
	d.process.reply(finish(q, a, OpWrite, err))
}

func (d *descriptor) await(q Request) {
	var there uint32
	err := d.use(func(fd int) (err error) {
		there, err = poll(fd, q.Events, 0)
		return err
	})
	if err != nil || there != 0 {
		d.process.reply(finish(q, Answer{Events: there}, "poll", err))
		return
	}
	d.wait(q.Events, 0, func(events uint32, err error) {
		d.process.reply(finish(q, Answer{Events: events}, "poll", err))
	})
}

// configure is setsockopt, getsockopt and shutdown.
func (d *descriptor) configure(q Request) {
	a := Answer{}
	name := "shutdown(" + decimal(q.Value) + ")"
	err := d.use(func(fd int) (err error) {
		switch q.Op {
		case OpDown:
			return syscall.Shutdown(fd, q.Value)
		case OpSet:
			name = q.Options[0].setting()
			return q.Options[0].set(fd)
		default:
			o := q.Options[0]
			name = "getsockopt(" + decimal(o.Level) + ", " + decimal(o.Name) + ")"
			a.Value, err = syscall.GetsockoptInt(fd, o.Level, o.Name)
			return err
		}
	})
	d.process.reply(finish(q, a, name, err))
}

// queued takes one message off the socket's error queue; nothing if the queue is empty.
func (d *descriptor) queued(q Request) {
	var a Answer
	err := d.use(func(fd int) (err error) {
		a.Data, err = takeQueued(fd)
		return err
	})
	d.process.reply(finish(q, a, "recvmsg(MSG_ERRQUEUE)", err))
}

// takeQueued gives the control messages of recvmsg(2) with MSG_ERRQUEUE.
func takeQueued(fd int) ([]byte, error) {
	control := make([]byte, 512)
	_, n, _, _, err := syscall.Recvmsg(fd, make([]byte, 512), control, syscall.MSG_ERRQUEUE)
	if err == syscall.EAGAIN {
		return nil, nil
	}
	return control[:max(n, 0)], err
}
