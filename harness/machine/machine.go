package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/internal/qmp"
	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/vm"
)

// Machine is a virtual machine that is a host of one lab after another. It is off at first. Its methods
// are not to be called side by side.
type Machine struct {
	name   string
	config vm.Config

	card    net.HardwareAddr
	running *running // nil while it is off
}

var _ lab.Machine = (*Machine)(nil)

// New is a machine that boots a kernel; the job is for the program that is its PID 1 and is to call Serve.
// The seed is of everything random in it.
func New(name string, guest vm.Kernel, job []byte, seed uint64) *Machine {
	return &Machine{name: name, config: vm.Config{
		Kernel: guest, Job: job, Seed: seed, Clock: vm.Real, Memory: memory, Budget: budget,
	}}
}

const (
	memory = 256            // MiB
	budget = 24 * time.Hour // it lives as long as its specs
)

// bootPatience is how long a kernel may take to be up: 4 s, or four times that beside others.
const bootPatience = 90 * time.Second

// running is a machine with power.
type running struct {
	lines   chan vm.Lines // of each attempt to boot
	pid     atomic.Int32  // the emulator's
	up      chan struct{} // PID 1 has begun, once for each life
	panics  chan string   // a line of the console that tells of a panic
	cut     context.CancelFunc
	ended   chan struct{} // the emulator is gone
	failure error         // why, once it is

	client  *client
	monitor *qmp.Monitor
	cable   *os.File

	greeted  bool // a life has been greeted and not ended since
	paused   bool
	panicked bool
	linkDown bool
}

// Start switches the machine on, if it is off; what has to wait for it waits in Boot.
func (m *Machine) Start(card net.HardwareAddr) {
	if m.running != nil && m.card.String() == card.String() {
		return
	}
	m.off()
	m.card = card
	ctx, cut := context.WithCancel(context.Background())
	r := &running{lines: make(chan vm.Lines, vm.MostAttempts), up: make(chan struct{}, 1), panics: make(chan string, 1), cut: cut, ended: make(chan struct{})}
	config := m.config
	config.Card = card
	go func() {
		defer close(r.ended)
		_, r.failure = vm.Run(ctx, config, vm.Watch{
			Lines:   func(lines vm.Lines) { r.lines <- lines },
			Started: func(pid int) { r.pid.Store(int32(pid)) },
			Up: func() {
				select {
				case r.up <- struct{}{}:
				default: // nobody has waited for the last one, and one is enough to know
				}
			},
			Trouble: func(line string) {
				if strings.Contains(line, "Kernel panic") {
					select {
					case r.panics <- line:
					default:
					}
				}
			},
		})
	}()
	m.running = r
}

// Boot implements lab.Machine.
func (m *Machine) Boot(card net.HardwareAddr, profile kernel.Profile, settings map[string]string) (lab.Stack, error) {
	if r := m.running; r != nil && (r.paused || r.panicked || r.isGone()) {
		m.off()
	}
	m.Start(card)
	r := m.running
	if !r.greeted {
		if err := m.greet(); err != nil {
			m.off()
			return nil, err
		}
	}
	if r.linkDown {
		if err := m.SetLink(true); err != nil {
			return nil, err
		}
	}
	ctx := context.Background()
	if err := r.client.synchronize(ctx); err != nil {
		return nil, err
	}
	if _, err := ask[nothing](ctx, r.client, boot, stackOptions{profile, settings}); err != nil {
		return nil, fmt.Errorf("%s: cannot set up the stack: %w", m.name, err)
	}
	return stack{m, r.client}, nil
}

// greet waits until the kernel is up and greets PID 1.
func (m *Machine) greet() error {
	r := m.running
	timeout := time.NewTimer(bootPatience)
	defer timeout.Stop()
	for up := false; !up; {
		select {
		case lines := <-r.lines:
			r.take(lines)
		case <-r.up:
			up = true
		case <-r.ended:
			return fmt.Errorf("%s has not come up: %w", m.name, r.failure)
		case <-timeout.C:
			return fmt.Errorf("%s has not come up in %s", m.name, bootPatience)
		}
	}
	for told := true; told; { // before it was up, once for each attempt
		select {
		case lines := <-r.lines:
			r.take(lines)
		default:
			told = false
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.client.begin(ctx); err != nil {
		return fmt.Errorf("%s does not answer: %w", m.name, err)
	}
	r.greeted = true
	return nil
}

// take takes the lines of an attempt to boot, in the place of those of one that failed.
func (r *running) take(lines vm.Lines) {
	r.hangUp()
	r.cable, r.client, r.monitor = lines.Cable, newClient(lines.Control), qmp.New(lines.Monitor)
}

func (r *running) hangUp() {
	if r.client != nil {
		r.cable.Close()
		r.client.line.Close()
		r.monitor.Close()
	}
}

func (r *running) isGone() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// Cable implements lab.Machine.
func (m *Machine) Cable() *os.File { return m.running.cable }

var errOff = errors.New("the machine is off")

// PowerOff kills the emulator.
func (m *Machine) PowerOff() error {
	if m.running == nil {
		return errOff
	}
	m.off()
	return nil
}

// off is PowerOff of a machine that may be off.
func (m *Machine) off() {
	r := m.running
	if r == nil {
		return
	}
	m.running = nil
	r.cut()
	<-r.ended
	for {
		select {
		case lines := <-r.lines:
			r.take(lines)
			continue
		default:
		}
		break
	}
	r.hangUp()
}

// order has the emulator do something.
func (m *Machine) order(command string, arguments map[string]any) error {
	r := m.running
	if r == nil || r.monitor == nil {
		return errOff
	}
	return r.monitor.Execute(command, arguments)
}

// SetLink implements lab.Machine.
func (m *Machine) SetLink(up bool) error {
	if err := m.order("set_link", map[string]any{"name": "cable", "up": up}); err != nil {
		return err
	}
	m.running.linkDown = !up
	return nil
}

// Reset implements lab.Machine.
func (m *Machine) Reset() error {
	if m.running == nil {
		return errOff
	}
	m.lose("it was reset")
	return m.order("system_reset", nil)
}

// lose ends the life.
func (m *Machine) lose(why string) {
	r := m.running
	select { // of a life that was not waited for
	case <-r.up:
	default:
	}
	r.greeted = false
	r.client.end(fmt.Errorf("%s: %s", m.name, why))
}

// Panic implements lab.Machine. It returns when the kernel has said that it panics.
func (m *Machine) Panic(restart bool) error {
	r := m.running
	if r == nil {
		return errOff
	}
	select { // an old one
	case <-r.panics:
	default:
	}
	failed := make(chan error, 1)
	r.client.send(panicNow, restart, func(_ answer, err error) { failed <- err })
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-r.panics:
	case err := <-failed:
		return fmt.Errorf("the kernel has not panicked: %w", cmp.Or(err, errors.New("nothing happened")))
	case <-r.ended:
		return fmt.Errorf("the machine is gone: %w", r.failure)
	case <-timeout.C:
		return fmt.Errorf("the kernel has not panicked in %s", patience)
	}
	m.lose("its kernel panicked")
	if r.panicked = !restart; r.panicked {
		r.standBack()
	}
	return nil
}

// standBack leaves the emulator what processors nobody else wants: a kernel that has panicked spins for ever, and on
// a busy machine its peer's timers were a second late for it.
func (r *running) standBack() {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", r.pid.Load()))
	for _, thread := range threads {
		if id, err := strconv.Atoi(filepath.Base(thread)); err == nil {
			_ = unix.SchedSetAttr(id, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0) // it does without
		}
	}
}

// Restart implements lab.Machine. It returns when PID 1 has come up again: what the processes had to say
// has been said long before.
func (m *Machine) Restart() error {
	r := m.running
	if r == nil {
		return errOff
	}
	failed := make(chan error, 1)
	r.client.send(restart, nil, func(_ answer, err error) { failed <- err })
	timeout := time.NewTimer(bootPatience)
	defer timeout.Stop()
	select {
	case <-r.up:
		r.up <- struct{}{} // for greet
		r.greeted = false
		r.client.end(fmt.Errorf("%s: it was restarted", m.name))
		return nil
	case err := <-failed:
		return fmt.Errorf("the machine does not restart: %w", err)
	case <-r.ended:
		return fmt.Errorf("the machine is gone: %w", r.failure)
	case <-timeout.C:
		return fmt.Errorf("the machine has not restarted in %s", bootPatience)
	}
}

// Pause implements lab.Machine.
func (m *Machine) Pause() error {
	if m.running == nil {
		return errOff
	}
	if err := m.order("stop", nil); err != nil {
		return err
	}
	m.running.paused = true
	m.running.client.suspend(fmt.Errorf("%s is paused", m.name))
	return nil
}

// Resume implements lab.Machine.
func (m *Machine) Resume() error {
	if m.running == nil {
		return errOff
	}
	m.running.client.clock.forget(mono.Now())
	if err := m.order("cont", nil); err != nil {
		return err
	}
	m.running.paused = false
	m.running.client.suspend(nil)
	return m.running.client.synchronize(context.Background())
}

// giveBack ends the stack, so that there can be another; a machine that cannot even do that is off.
func (m *Machine) giveBack(c *client) error {
	r := m.running
	if r == nil || r.client != c || !r.greeted {
		return nil // the stack has gone with its life
	}
	if r.paused || r.panicked {
		m.off()
		return nil
	}
	if _, err := ask[nothing](context.Background(), c, surrender, nil); err != nil {
		m.off()
		return fmt.Errorf("%s: cannot take its stack down: %w", m.name, err)
	}
	return nil
}
