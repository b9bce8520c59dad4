package role

import (
	"runtime"
	"sync"
	"syscall"
)

// The environment's variable that makes a program a role, and the two roles that this package has.
const (
	Variable = "HALFOPEN_ROLE"
	Process  = "process"
	Holder   = "holder"
)

// Executable is this binary, also when its file was replaced or deleted meanwhile.
const Executable = "/proc/self/exe"

// The descriptors a role is born with, after stdin, stdout and stderr.
const (
	controlDescriptor = 3 // process
	heldDescriptor    = 3 // holder: the shared socket
	leashDescriptor   = 4 // holder
)

// Environment is all that a role gets to see, so that it behaves the same wherever it is started.
// It never has two things to compute at once, and lives too shortly to collect garbage before the
// limit; preemption would only interrupt it with SIGURG.
func Environment(role string) []string {
	return []string{
		Variable + "=" + role,
		"GOMAXPROCS=1",
		"GOGC=off",
		"GOMEMLIMIT=64MiB",
		"GODEBUG=asyncpreemptoff=1",
	}
}

// RuntimeSlack is the timer slack (PR_SET_TIMERSLACK, ns) that a role is to be started with: a day, by which the
// runtime's watch over its threads (sysmon) may oversleep. Else it wakes four times after each thing that a role does,
// to take the processor from the thread that waits for the next: in a guest half of all switches between processes.
// The thread that serves sets its own slack, and wakes the watch when it is needed.
const RuntimeSlack = 24 * 3600 * 1000_000_000

// slack is what a process has if nobody sets another (init_task), in ns.
const slack = 50_000

func init() {
	switch role, _ := syscall.Getenv(Variable); role {
	case Process:
		runProcess()
	case Holder:
		runHolder()
	}
}

// DieOrder is the byte on the leash that makes a holder kill itself.
const DieOrder = 'K'

// runHolder sleeps until the leash ends: it has one thing to wait for, and nothing else of it ever runs.
func runHolder() {
	order := make([]byte, 1)
	for {
		n, err := syscall.Read(leashDescriptor, order)
		if err == syscall.EINTR {
			continue
		}
		if n == 1 && order[0] == DieOrder {
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		}
		syscall.Exit(0)
	}
}

// process is the process's own side: its sockets, and the channel it is driven over.
type process struct {
	epoll   int
	sockets []*descriptor // by their numbers, those that were closed included; the first is none

	answers sync.Mutex // one message at a time
	watched bool       // the runtime's watch is awake
	chunk   []byte     // what is being received
	inbox   []byte     // received, and not yet a whole message
	passed  []int      // descriptors received and not yet asked for
}

// controlID is what the control channel has in the place of a socket's number.
const controlID = 0

// runProcess serves the control channel until its end.
func runProcess() {
	p := &process{sockets: []*descriptor{controlID: {fd: -1}}, chunk: make([]byte, 32<<10)}
	if err := p.prepare(); err != nil {
		p.giveUp("cannot prepare the process: " + err.Error())
	}
	events := make([]syscall.EpollEvent, 16)
	for {
		n, err := syscall.EpollWait(p.epoll, events, p.patience())
		if err != nil && err != syscall.EINTR {
			p.giveUp("epoll_wait: " + err.Error())
		}
		for _, event := range events[:max(n, 0)] {
			if event.Fd == controlID {
				p.hear()
			} else {
				p.sockets[event.Fd].wake(event.Events)
			}
		}
		p.expire()
	}
}

func (p *process) giveUp(why string) {
	_, _ = syscall.Write(2, []byte(why+"\n"))
	syscall.Exit(1)
}

// prepare makes the process die like one that knows nothing of Go: no handler for SIGTERM, no
// core file, children that leave no zombie.
func (p *process) prepare() (err error) {
	syscall.CloseOnExec(controlDescriptor)
	if err := setDisposition(syscall.SIGTERM, sigDefault); err != nil {
		return err
	}
	// The descriptors of a process that dumps core stay open until it is written.
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return err
	}
	// SIG_IGN lets the kernel reap holders (wait(2), NOTES).
	if err := setDisposition(syscall.SIGCHLD, sigIgnore); err != nil {
		return err
	}
	const setTimerSlack = 29 // PR_SET_TIMERSLACK
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, slack, 0); errno != 0 {
		return errno
	}
	if p.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return err
	}
	return syscall.EpollCtl(p.epoll, syscall.EPOLL_CTL_ADD, controlDescriptor, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: controlID})
}

// hear takes what is on the control channel, with the descriptors that come with it, and does it.
func (p *process) hear() {
	ancillary := make([]byte, syscall.CmsgSpace(4))
	for {
		n, extra, _, _, err := syscall.Recvmsg(controlDescriptor, p.chunk, ancillary, syscall.MSG_CMSG_CLOEXEC)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return
		case err != nil:
			p.giveUp("the control channel: " + err.Error())
		case n == 0:
			syscall.Exit(0) // the spec is gone
		}
		p.keepPassed(ancillary[:extra])
		p.inbox = append(p.inbox, p.chunk[:n]...)
		for {
			body, rest, ok, err := Body(p.inbox)
			if err != nil {
				p.giveUp(err.Error())
			}
			if !ok {
				break
			}
			q, err := parseRequest(body)
			if err != nil {
				p.giveUp(err.Error())
			}
			p.inbox = rest
			p.serve(q)
		}
	}
}

func (p *process) keepPassed(ancillary []byte) {
	messages, err := syscall.ParseSocketControlMessage(ancillary)
	if err != nil {
		return
	}
	for i := range messages {
		if fds, err := syscall.ParseUnixRights(&messages[i]); err == nil {
			p.passed = append(p.passed, fds...)
		}
	}
}

// reply sends an answer. When the spec is gone there is nobody left to tell, and the control loop
// ends the process.
func (p *process) reply(a Answer) {
	message, err := a.frame()
	if err != nil {
		message, _ = Answer{ID: a.ID, Fault: err.Error()}.frame()
	}
	p.answers.Lock()
	defer p.answers.Unlock()
	for len(message) > 0 {
		n, err := syscall.SendmsgN(controlDescriptor, message, nil, nil, syscall.MSG_NOSIGNAL)
		switch err {
		case nil:
			message = message[n:]
		case syscall.EINTR:
		case syscall.EAGAIN: // the spec reads all the time, so this is a matter of moments
			_, _ = poll(controlDescriptor, pollOut, -1)
		default:
			return
		}
	}
}

// serve does what a request asks. What can be done without waiting is done at once, in the order
// of the requests; what has to wait goes on when its event comes.
func (p *process) serve(q Request) {
	switch q.Op {
	case OpBind, OpListen:
		p.reply(p.open(q))
		return
	case OpDie:
		p.reply(Answer{ID: q.ID, At: now()})
		die(q.Value)
		return
	case OpMove:
		p.move(q)
		return
	}
	if q.Socket <= controlID || q.Socket >= len(p.sockets) {
		if q.Op == OpShare {
			syscall.Close(p.takePassed())
		}
		p.reply(Answer{ID: q.ID, Fault: q.Op + ": no socket " + decimal(q.Socket)})
		return
	}
	d := p.sockets[q.Socket]
	switch q.Op {
	case OpConnect:
		d.connect(q)
	case OpAccept:
		d.accept(q)
	case OpRead:
		d.read(q)
	case OpWrite:
		d.write(q)
	case OpFill:
		d.fill(q)
	case OpAwait:
		d.await(q)
	case OpSet, OpGet, OpDown:
		d.configure(q)
	case OpQueued:
		d.queued(q)
	case OpShare:
		d.share(q)
	case OpBeat:
		d.beat(q)
	case OpEcho:
		d.echo(q)
	case OpClose:
		d.close(q)
	default:
		p.reply(Answer{ID: q.ID, Fault: "unknown request " + q.Op})
	}
}

// finish stamps an answer and gives it the request's ID and the errno of the call, if any.
func finish(q Request, a Answer, call string, err error) Answer {
	if a.At == 0 {
		a.At = now()
	}
	a.ID = q.ID
	switch err := err.(type) {
	case nil:
	case syscall.Errno:
		a.Errno, a.Call = err, call
	case closedError:
		a.Closed = true
	default:
		a.Fault = call + ": " + err.Error()
	}
	return a
}

// share forks a holder that inherits the socket.
func (d *descriptor) share(q Request) {
	leash := d.process.takePassed()
	defer syscall.Close(leash)
	var pid int
	err := d.use(func(fd int) error {
		null, err := syscall.Open("/dev/null", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer syscall.Close(null)
		n := uintptr(null)
		pid, err = syscall.ForkExec(Executable, []string{"halfopen: holder"}, &syscall.ProcAttr{
			Env:   Environment(Holder),
			Files: []uintptr{n, n, n, uintptr(fd), uintptr(leash)},
		})
		return err
	})
	d.process.reply(finish(q, Answer{PID: pid}, "fork a holder", err))
}

// takePassed takes the descriptor that came with the request; -1 if none did.
func (p *process) takePassed() int {
	if len(p.passed) == 0 {
		return -1
	}
	fd := p.passed[0]
	p.passed = p.passed[1:]
	return fd
}

// move closes what the process has and takes it to another host. Sockets are made by this one thread, so it is
// the only one that has to go; a process that cannot go would act on the wrong host, and ends.
func (p *process) move(q Request) {
	for _, d := range p.sockets[controlID+1:] {
		if fd, err := d.leave(); err == nil {
			// As when a process dies (inet_release): what lingers does so without it.
			if lingers(fd) {
				_ = syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{})
			}
			_ = syscall.Close(fd)
		}
	}
	host := p.takePassed()
	if err := enter(q.Value, host); err != nil {
		p.giveUp("enter a host's network namespace: " + err.Error())
	}
	syscall.Close(host)
	p.reply(finish(q, Answer{}, OpMove, nil))
}

// close closes the descriptor; what waits for it ends. SO_LINGER makes close(2) wait, of a
// non-blocking socket too (inet_release), and the other sockets are served meanwhile.
func (d *descriptor) close(q Request) {
	p := d.process
	fd, err := d.leave()
	if err != nil {
		p.reply(finish(q, Answer{}, "close", err))
		return
	}
	closeNow := func() { p.reply(finish(q, Answer{}, "close", syscall.Close(fd))) }
	if lingers(fd) {
		if err := p.watch(); err != nil {
			p.giveUp("wake the runtime's watch: " + err.Error())
		}
		go closeNow()
		runtime.Gosched()
		return
	}
	closeNow()
}
