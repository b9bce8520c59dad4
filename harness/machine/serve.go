package machine

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/process/role"
	"github.com/halfopen/halfopen/harness/socket"
)

// largestLine is more than any message: the counters are 20 KiB, and a process reads or writes no more
// than a spec has to say.
const largestLine = 1 << 24

// Serve does what it is told over the line until that ends, which is an error: the machine is switched
// off, it does not end.
func Serve(line io.ReadWriter) error {
	s := &server{out: line, processes: map[int]*process.Process{}}
	lines := bufio.NewScanner(line)
	lines.Buffer(nil, largestLine)
	for lines.Scan() {
		var r request
		// What a former life was asked for, whole or in part, is for nobody.
		if json.Unmarshal(lines.Bytes(), &r) != nil || r.Life != s.life && r.Method != hello {
			continue
		}
		if r.Method == hello {
			s.life = r.Life
		}
		s.serve(r)
	}
	return fmt.Errorf("the control line has ended: %w", cmp.Or(lines.Err(), io.ErrUnexpectedEOF))
}

// server is the machine's own side.
type server struct {
	life int

	writing sync.Mutex
	out     io.Writer

	mu        sync.Mutex
	stack     *lab.Local // nil before boot and after surrender
	processes map[int]*process.Process
}

// reply sends an answer. When the line is gone there is nobody to tell.
func (s *server) reply(r request, result any, err error) {
	a := answer{Life: s.life, ID: r.ID, Failure: failed(err)}
	if err == nil && result != nil {
		if a.Result, err = json.Marshal(result); err != nil {
			a.Failure = failed(err)
		}
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	a.At = mono.Now()
	line, _ := json.Marshal(a) // of what was marshalled before
	// The newline before ends what a former life has left half-said.
	_, _ = s.out.Write(append(append([]byte{'\n'}, line...), '\n'))
}

// serve does what a request asks, beside what is under way; the requests to a process are made in their
// order.
func (s *server) serve(r request) {
	do, known := methods[r.Method]
	switch {
	case r.Method == requestProcess:
		var a asked
		if err := json.Unmarshal(r.With, &a); err != nil {
			s.reply(r, nil, err)
			return
		}
		p, err := s.process(a.ID)
		if err != nil {
			s.reply(r, nil, err)
			return
		}
		p.Request(a.Request, func(a role.Answer, err error) { s.reply(r, a, err) })
	case known:
		go func() {
			result, err := do(s, r.With)
			s.reply(r, result, err)
		}()
	default:
		s.reply(r, nil, fmt.Errorf("there is no method %q", r.Method))
	}
}

func (s *server) process(id int) (*process.Process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.processes[id]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("there is no process %d", id)
}

var errNoStack = errors.New("the machine has no stack")

func (s *server) local() (*lab.Local, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stack == nil {
		return nil, errNoStack
	}
	return s.stack, nil
}

// handler does what a method is for.
type handler func(s *server, with json.RawMessage) (any, error)

// taking is a method with an argument.
func taking[A any](do func(s *server, with A) (any, error)) handler {
	return func(s *server, with json.RawMessage) (any, error) {
		var a A
		if len(with) > 0 {
			if err := json.Unmarshal(with, &a); err != nil {
				return nil, err
			}
		}
		return do(s, a)
	}
}

// ofStack is a method of the stack's with an argument.
func ofStack[A any](do func(stack *lab.Local, with A) (any, error)) handler {
	return taking(func(s *server, with A) (any, error) {
		stack, err := s.local()
		if err != nil {
			return nil, err
		}
		return do(stack, with)
	})
}

// telling is a method of the stack's that gives nothing back.
func telling[A any](do func(stack *lab.Local, with A) error) handler {
	return ofStack(func(stack *lab.Local, with A) (any, error) { return nil, do(stack, with) })
}

// ofProcess is a method of a process's.
func ofProcess(do func(p *process.Process) (any, error)) handler {
	return taking(func(s *server, id int) (any, error) {
		p, err := s.process(id)
		if err != nil {
			return nil, err
		}
		return do(p)
	})
}

type nothing struct{}

var methods = map[method]handler{
	hello:     taking(func(*server, nothing) (any, error) { return nil, nil }),
	boot:      taking((*server).boot),
	surrender: taking(func(s *server, _ nothing) (any, error) { return nil, s.surrender() }),
	panicNow:  taking(func(_ *server, restart bool) (any, error) { return nil, panicWith(restart) }),
	restart:   taking(func(s *server, _ nothing) (any, error) { return nil, s.restart() }),

	kernelOf: taking(func(*server, nothing) (any, error) { return kernel.Running() }),
	check: ofStack(func(stack *lab.Local, feature string) (any, error) {
		err := stack.Check(feature)
		var absent *kernel.Unsupported
		var missing *kernel.Missing
		v := verdict{Unsupported: errors.As(err, &absent), Missing: errors.As(err, &missing)}
		if v.Unsupported || v.Missing {
			return v, nil
		}
		return v, err
	}),
	configure:     telling(func(stack *lab.Local, c configuration) error { return stack.Configure(c.Addresses, c.Gateways) }),
	noticeCarrier: telling(func(stack *lab.Local, _ nothing) error { return stack.NoticeCarrier() }),
	setLink:       telling((*lab.Local).SetLink),
	addAddress:    telling((*lab.Local).AddAddress),
	removeAddress: telling((*lab.Local).RemoveAddress),
	addAddressTo:  telling(func(stack *lab.Local, a deviceAddress) error { return stack.AddAddressTo(a.Device, a.Address) }),
	forget:        telling(func(stack *lab.Local, _ nothing) error { return stack.ForgetNeighbours() }),
	pin:           telling(func(stack *lab.Local, n neighbour) error { return stack.PinNeighbour(n.Address, n.MAC) }),
	removeRoute:   telling((*lab.Local).RemoveRoute),
	restoreRoute:  telling(func(stack *lab.Local, r routeOptions) error { return stack.RestoreRoute(r.Of, r.MinimumRTO) }),
	addDefault:    telling((*lab.Local).AddDefaultRoute),
	setSysctl:     telling(func(stack *lab.Local, s setting) error { return stack.SetSysctl(s.Name, s.Value) }),
	sysctlInt:     ofStack(func(stack *lab.Local, name string) (any, error) { return stack.SysctlInt(name) }),
	timeouts:      ofStack(func(stack *lab.Local, _ nothing) (any, error) { return stack.Timeouts() }),
	counters:      ofStack(func(stack *lab.Local, _ nothing) (any, error) { return stack.Counters() }),
	ipv6Counters:  ofStack(func(stack *lab.Local, _ nothing) (any, error) { return stack.IPv6Counters() }),
	socketOf:      ofStack(func(stack *lab.Local, e ends) (any, error) { return stack.Socket(e.Local, e.Remote) }),
	socketsOf:     ofStack(func(stack *lab.Local, _ nothing) (any, error) { return stack.Sockets() }),
	destroySocket: telling(func(stack *lab.Local, e ends) error { return stack.DestroySocket(e.Local, e.Remote) }),
	refuse: telling(func(stack *lab.Local, r refusal) error {
		answer, err := lab.AnswerNamed(r.Answer)
		if err != nil {
			return err
		}
		return stack.Refuse(r.Filter, r.Port, answer)
	}),
	accept: telling((*lab.Local).Accept),

	startProcess: taking((*server).start),
	killProcess: taking(func(s *server, e ending) (any, error) {
		p, err := s.process(e.ID)
		if err != nil {
			return nil, err
		}
		death, err := p.Die(context.Background(), e.Manner)
		return ended{death, failed(err)}, nil
	}),
	freezeProcess: ofProcess(func(p *process.Process) (any, error) { return nil, p.Freeze() }),
	thawProcess:   ofProcess(func(p *process.Process) (any, error) { return nil, p.Thaw() }),
	stopProcess:   ofProcess(func(p *process.Process) (any, error) { return nil, p.Stop() }),
	awaitProcess: ofProcess(func(p *process.Process) (any, error) {
		<-p.Dead()
		return nil, nil
	}),
}

// boot makes a fresh stack with the machine's card in it.
func (s *server) boot(with stackOptions) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stack != nil {
		return nil, errors.New("the machine has a stack already")
	}
	card, err := findCard()
	if err != nil {
		return nil, err
	}
	stack, err := lab.NewLocal(with.Profile, with.Settings)
	if err != nil {
		return nil, err
	}
	if err := stack.Adopt(card); err != nil {
		return nil, errors.Join(err, stack.Close())
	}
	s.stack = stack
	return nil, nil
}

// findCard is the name of the machine's only device that has an Ethernet address.
func findCard() (string, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return "", fmt.Errorf("cannot list the devices: %w", err)
	}
	for _, link := range links {
		if attrs := link.Attrs(); link.Type() == "device" && len(attrs.HardwareAddr) == 6 && attrs.Name != "lo" {
			return attrs.Name, nil
		}
	}
	return "", errors.New("the machine has no network card")
}

// surrender ends the stack, without a word on the cable.
func (s *server) surrender() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stack == nil {
		return nil
	}
	err := errors.Join(s.stack.Surrender(), s.stack.Close())
	s.stack, s.processes = nil, map[int]*process.Process{}
	return err
}

func (s *server) start(name string) (any, error) {
	stack, err := s.local()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := stack.StartProcess(name)
	if err != nil {
		return nil, err
	}
	id := len(s.processes) + 1
	s.processes[id] = p
	return started{id, p.PID()}, nil
}

// panicWith makes the kernel panic, as a NULL pointer in a driver would (sysrq_handle_crash). It boots
// again after a second, or stays as it is: kernel.panic.
func panicWith(restart bool) error {
	seconds := "0"
	if restart {
		seconds = "1"
	}
	if err := os.WriteFile("/proc/sys/kernel/panic", []byte(seconds), 0); err != nil {
		return err
	}
	return os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0)
}

// terminating is how long an orderly restart gives the processes.
const terminating = 5 * time.Second

// restart is what an init does: the processes end, then the kernel restarts. The machine answers nothing
// more after it has ended them.
func (s *server) restart() error {
	stack, err := s.local()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), terminating)
	defer cancel()
	if err := stack.Terminate(ctx); err != nil {
		return err
	}
	if err := heard(ctx, stack); err != nil {
		return err
	}
	return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
}

// heard waits until the peers have acknowledged the FINs, or for as long as the context lasts. An init has so
// much left to do between the processes' end and the kernel's that they are long gone by then; without that
// the emulator of a busy machine was reset before it had looked at what its card had to send, and no FIN left.
func heard(ctx context.Context, stack *lab.Local) error {
	for {
		sockets, err := stack.Sockets()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(sockets, unheard) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// unheard tells whether a FIN of the socket's has not been acknowledged.
func unheard(s socket.Snapshot) bool {
	return s.State == socket.FinWait1 || s.State == socket.Closing || s.State == socket.LastAck
}
