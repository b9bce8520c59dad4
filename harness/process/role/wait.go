package role

import "syscall"

// descriptor is a non-blocking socket.
type descriptor struct {
	process    *process
	id         int
	fd         int // -1 once closed
	waits      []*wait
	registered uint32 // the events that epoll(7) looks for; 0: none
}

// closedError is what a call on a closed socket comes to.
type closedError struct{}

func (closedError) Error() string { return "the socket is closed" }

// use runs a system call that does not wait.
func (d *descriptor) use(call func(fd int) error) error {
	if d.fd < 0 {
		return closedError{}
	}
	for {
		if err := call(d.fd); err != syscall.EINTR {
			return err
		}
	}
}

// wait is something that goes on when an event comes.
type wait struct {
	mask     uint32
	deadline int64 // of the monotonic clock, in ns; 0: none
	then     func(events uint32, err error)
}

// errLate is what a wait ends with whose deadline has passed.
const errLate = Error("late")

// wait makes then be called once: with those of the events in mask that are there, EPOLLERR and EPOLLHUP
// always among them, with errLate, or with closedError. Nothing is registered for a socket nobody waits
// for.
func (d *descriptor) wait(mask uint32, deadline int64, then func(events uint32, err error)) {
	d.waits = append(d.waits, &wait{mask, deadline, then})
	if err := d.register(); err != nil {
		d.waits = d.waits[:len(d.waits)-1]
		then(0, err)
	}
}

// register makes epoll(7) look for what is waited for, level-triggered.
func (d *descriptor) register() error {
	const always = 1 << 31 // EPOLLERR and EPOLLHUP come unasked: a mask of none is still a registration
	var mask uint32
	for _, w := range d.waits {
		mask |= w.mask | always
	}
	if d.fd < 0 || mask == d.registered {
		return nil
	}
	op := syscall.EPOLL_CTL_MOD
	switch {
	case mask == 0:
		op = syscall.EPOLL_CTL_DEL
	case d.registered == 0:
		op = syscall.EPOLL_CTL_ADD
	}
	if err := syscall.EpollCtl(d.process.epoll, op, d.fd, &syscall.EpollEvent{Events: mask &^ always, Fd: int32(d.id)}); err != nil {
		return err
	}
	d.registered = mask
	return nil
}

// wake goes on with what waits for the events.
func (d *descriptor) wake(events uint32) {
	const unasked = syscall.EPOLLERR | syscall.EPOLLHUP
	d.end(func(w *wait) bool { return events&(w.mask|unasked) != 0 }, func(w *wait) { w.then(events&(w.mask|unasked), nil) })
}

// end takes those waits out that fit, in the order in which they began, and goes on with them.
func (d *descriptor) end(fits func(*wait) bool, with func(*wait)) {
	var ended, left []*wait
	for _, w := range d.waits {
		if fits(w) {
			ended = append(ended, w)
		} else {
			left = append(left, w)
		}
	}
	d.waits = left
	for _, w := range ended {
		with(w)
	}
	_ = d.register() // of what is registered already, with fewer events or none
}

// leave takes the descriptor out of the process's hands; it is still open then.
func (d *descriptor) leave() (fd int, err error) {
	if d.fd < 0 {
		return -1, closedError{}
	}
	fd = d.fd
	waits := d.waits
	d.waits = nil
	_ = d.register() // a holder may keep the file open, and its registration with it (epoll(7), Q6)
	d.fd = -1
	for _, w := range waits {
		w.then(0, closedError{})
	}
	return fd, nil
}

// patience is how long epoll_wait(2) may wait, in ms: rounded up, so that what is late is late.
func (p *process) patience() int {
	first := int64(0)
	for _, d := range p.sockets {
		for _, w := range d.waits {
			if w.deadline != 0 && (first == 0 || w.deadline < first) {
				first = w.deadline
			}
		}
	}
	if first == 0 {
		return -1
	}
	const ms = 1000_000
	return int(max(first-now()+ms-1, 0) / ms)
}

// expire ends the waits whose deadline has passed.
func (p *process) expire() {
	for _, d := range p.sockets {
		if len(d.waits) > 0 {
			at := now()
			d.end(func(w *wait) bool { return w.deadline != 0 && w.deadline <= at }, func(w *wait) { w.then(0, errLate) })
		}
	}
}

// attempt makes a call at once, and as often as the events in mask come while it says EAGAIN.
func (d *descriptor) attempt(q Request, name string, mask uint32, call func(fd int) (Answer, error)) {
	var a Answer
	err := d.use(func(fd int) (err error) {
		a, err = call(fd)
		if a.At == 0 {
			a.At = now()
		}
		return err
	})
	if err != syscall.EAGAIN {
		d.process.reply(finish(q, a, name, err))
		return
	}
	d.wait(mask, 0, func(_ uint32, err error) {
		if err != nil {
			d.process.reply(finish(q, Answer{}, name, err))
			return
		}
		d.attempt(q, name, mask, call)
	})
}
