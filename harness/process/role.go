package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/mono"
)

const (
	roleVariable = "HALFOPEN_ROLE"
	roleProcess  = "process"
	roleHolder   = "holder"

	// executable is this binary, also when its file was replaced or deleted meanwhile.
	executable = "/proc/self/exe"

	// The descriptors a role is born with, after stdin, stdout and stderr.
	controlDescriptor = 3 // process
	heldDescriptor    = 3 // holder: the shared socket
	leashDescriptor   = 4 // holder
)

// environment is all that a role gets to see, so that it behaves the same wherever it is started.
// It never has two things to compute at once, and lives too shortly to collect garbage before the
// limit; preemption would only interrupt it with SIGURG.
func environment(role string) []string {
	return []string{
		roleVariable + "=" + role,
		"GOMAXPROCS=1",
		"GOGC=off",
		"GOMEMLIMIT=64MiB",
		"GODEBUG=asyncpreemptoff=1",
	}
}

// RunRole runs the process or the holder if this is one, and does not return then. It must be the
// first thing that main or TestMain does in every binary that starts processes.
func RunRole() {
	switch os.Getenv(roleVariable) {
	case roleProcess:
		runProcess()
	case roleHolder:
		runHolder()
	}
}

// runHolder sleeps until the leash ends. A blocking read and no netpoller: it has one thing to
// wait for, and nothing else of it ever runs.
func runHolder() {
	order := make([]byte, 1)
	for {
		n, err := unix.Read(leashDescriptor, order)
		if err == unix.EINTR {
			continue
		}
		if n == 1 && order[0] == die {
			_ = unix.Kill(unix.Getpid(), unix.SIGKILL)
		}
		unix.Exit(0)
	}
}

// role is the process's own side: its sockets, and the channel it is driven over.
type role struct {
	control *os.File
	answers sync.Mutex // one message at a time

	mu      sync.Mutex
	sockets map[int]*descriptor
	last    int

	passed []int // descriptors received and not yet asked for; the control loop's own
}

// runProcess serves the control channel until its end.
func runProcess() {
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		unix.Exit(1)
	}
	r := &role{
		control: os.NewFile(controlDescriptor, "control channel"),
		sockets: map[int]*descriptor{},
	}
	for {
		var q request
		err := readFrame(r, &q)
		if errors.Is(err, io.EOF) {
			unix.Exit(0) // the spec is gone
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			unix.Exit(1)
		}
		r.serve(q)
	}
}

// prepare makes the process die like one that knows nothing of Go: no handler for SIGTERM, no
// core file, children that leave no zombie.
func prepare() error {
	unix.CloseOnExec(controlDescriptor)
	if err := setDefault(unix.SIGTERM); err != nil {
		return fmt.Errorf("take the handler of SIGTERM away: %w", err)
	}
	// The descriptors of a process that dumps core stay open until it is written.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core files: %w", err)
	}
	// SIG_IGN lets the kernel reap holders (wait(2), NOTES).
	if err := setDisposition(unix.SIGCHLD, sigIgnore); err != nil {
		return fmt.Errorf("ignore SIGCHLD: %w", err)
	}
	return nil
}

// Read is recvmsg(2) on the control channel, which also collects descriptors that come with it.
func (r *role) Read(into []byte) (int, error) {
	conn, err := r.control.SyscallConn()
	if err != nil {
		return 0, err
	}
	ancillary := make([]byte, unix.CmsgSpace(4))
	var n, extra int
	var received error
	err = conn.Read(func(fd uintptr) bool {
		n, extra, _, _, received = unix.Recvmsg(int(fd), into, ancillary, unix.MSG_CMSG_CLOEXEC)
		return received != unix.EAGAIN && received != unix.EINTR
	})
	if err = errors.Join(err, received); err != nil {
		return 0, err
	}
	if extra > 0 {
		messages, err := unix.ParseSocketControlMessage(ancillary[:extra])
		if err != nil {
			return 0, err
		}
		for _, m := range messages {
			fds, err := unix.ParseUnixRights(&m)
			if err != nil {
				return 0, err
			}
			r.passed = append(r.passed, fds...)
		}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// reply sends an answer. When the spec is gone there is nobody left to tell, and the control loop
// ends the process.
func (r *role) reply(a answer) {
	message, err := frame(a)
	if err != nil {
		message, _ = frame(answer{ID: a.ID, Fault: err.Error()})
	}
	r.answers.Lock()
	defer r.answers.Unlock()
	_, _ = r.control.Write(message)
}

// serve does what a request asks. What can be done without waiting is done at once, in the order
// of the requests; what has to wait goes on by itself.
func (r *role) serve(q request) {
	switch q.Op {
	case opBind, opListen:
		r.reply(r.open(q))
		return
	case opDie:
		r.reply(answer{ID: q.ID, At: mono.Now()})
		q.Manner.perform()
		return
	}

	r.mu.Lock()
	d := r.sockets[q.Socket]
	r.mu.Unlock()
	if d == nil {
		if q.Op == opShare {
			unix.Close(r.leash())
		}
		r.reply(answer{ID: q.ID, Fault: fmt.Sprintf("%s: no socket %d", q.Op, q.Socket)})
		return
	}
	switch q.Op {
	case opConnect:
		r.connect(q, d)
	case opAccept:
		r.accept(q, d)
	case opRead:
		r.read(q, d)
	case opWrite:
		r.write(q, d)
	case opFill:
		r.fill(q, d)
	case opAwait:
		r.await(q, d)
	case opSet, opGet, opDown:
		r.configure(q, d)
	case opQueued:
		r.queued(q, d)
	case opShare:
		r.share(q, d)
	case opBeat:
		go func() { r.reply(beat(q, d)) }()
	case opEcho:
		go func() { r.reply(echo(q, d)) }()
	case opClose:
		r.mu.Lock()
		delete(r.sockets, q.Socket)
		r.mu.Unlock()
		go func() { // SO_LINGER makes close(2) wait, of a non-blocking socket too (inet_release)
			err := d.close()
			r.reply(finish(q, answer{}, "close", err))
		}()
	default:
		r.reply(answer{ID: q.ID, Fault: "unknown request " + q.Op})
	}
}

// finish stamps an answer and gives it the request's ID and the errno of the call, if any.
func finish(q request, a answer, call string, err error) answer {
	if a.At == 0 {
		a.At = mono.Now()
	}
	a.ID = q.ID
	var errno unix.Errno
	switch {
	case err == nil:
	case errors.Is(err, ErrClosed):
		a.Closed = true
	case errors.As(err, &errno):
		a.Errno, a.Call = errno, call
	default:
		a.Fault = fmt.Sprintf("%s: %v", call, err)
	}
	return a
}

// share forks a holder that inherits the socket.
func (r *role) share(q request, d *descriptor) {
	leash := r.leash()
	defer unix.Close(leash)
	var pid int
	err := d.use(func(fd int) error {
		null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(null)
		n := uintptr(null)
		pid, err = syscall.ForkExec(executable, []string{"halfopen: holder"}, &syscall.ProcAttr{
			Env:   environment(roleHolder),
			Files: []uintptr{n, n, n, uintptr(fd), uintptr(leash)},
		})
		return err
	})
	r.reply(finish(q, answer{PID: pid}, "fork a holder", err))
}

// leash takes the descriptor that came with the request; -1 if none did.
func (r *role) leash() int {
	if len(r.passed) == 0 {
		return -1
	}
	fd := r.passed[0]
	r.passed = r.passed[1:]
	return fd
}
