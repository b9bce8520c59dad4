package vm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/vm/guest"
)

// attempts is how often a guest is started, with the same accelerator, that dies before PID 1 is up.
const attempts = 2

// MostAttempts is how often Watch.Attempt and Watch.Lines are called at the most: before emulation the machine's
// own processor may be tried once.
const MostAttempts = 1 + attempts

// Run boots a guest, waits until it ends and tells what came out. The error is nil if the job
// ended by itself, whatever its code; else it is one of this package's, with the guest's last
// words, or the context's. Nothing of the guest outlives the call, nor this process, and nothing is
// left on disk but its snapshot, if the config has a folder for it.
func Run(ctx context.Context, config Config, watch Watch) (Outcome, error) {
	config = config.withDefaults()
	qemu, err := findQEMU(config.QEMU)
	if err != nil {
		return Outcome{}, err
	}
	by := config.accelerators(kvmDevice, processors)
	if len(by) > 1 && hopeless.Load() {
		by = by[1:]
	}
	return try(ctx, qemu, config, by, watch)
}

// hopeless is set once a guest has not booted on this machine's own processor: the next need not try.
var hopeless atomic.Bool

// try boots the guest by the accelerators in turn.
func try(ctx context.Context, qemu program, config Config, by []accelerator, watch Watch) (outcome Outcome, err error) {
	for number, last := 1, attempts; ; number++ {
		// A seed far from those that callers count up from one.
		seed := config.Seed + uint64(number-1)<<16
		if watch.Attempt != nil {
			watch.Attempt(number, seed)
		}
		outcome, err = start(ctx, qemu, config, by[0], seed, watch)
		outcome.Attempts, outcome.Seed = number, seed
		switch {
		case !errors.Is(err, ErrNoBoot) || ctx.Err() != nil:
			return outcome, err
		case len(by) > 1:
			hopeless.Store(true)
			by, last = by[1:], number+attempts
		case number >= last:
			return outcome, err
		}
	}
}

// start makes one attempt.
func start(ctx context.Context, qemu program, config Config, by accelerator, seed uint64, watch Watch) (outcome Outcome, err error) {
	a := attempt{qemu: qemu, config: config, by: by, watch: watch}
	if a.args, err = config.arguments(seed, by); err != nil {
		return outcome, err
	}
	for _, await := range []bool{true, false} {
		if await && !config.keeps() {
			continue
		}
		if a.initramfs, err = pack(config, seed, await); err != nil {
			return outcome, err
		}
		defer a.initramfs.Close()
		if await {
			outcome, err = a.goOn(ctx)
		} else {
			outcome, err = a.boot(ctx, extras{}, watch)
			outcome.Booted = true
		}
		if !errors.Is(err, errNoSnapshot) {
			break
		}
	}
	return outcome, err
}

// attempt is one attempt to have a guest up. It starts the emulator once, or twice if the guest is to go on from where
// it was up before.
type attempt struct {
	qemu      program
	config    Config
	by        accelerator
	args      []string // of every start
	initramfs *os.File
	watch     Watch
}

// extras are what one start of the emulator has beside.
type extras struct {
	args  []string
	files []*os.File // from behind the initramfs on
}

// boot starts the emulator and waits until the guest has ended.
func (a *attempt) boot(ctx context.Context, with extras, watch Watch) (outcome Outcome, err error) {
	config := a.config
	var ours, theirs [3]*os.File
	defer func() { closeAll(ours[:]...); closeAll(theirs[:]...) }()
	for i, what := range []string{"console", "messages", "messages without virtio"} {
		if ours[i], theirs[i], err = os.Pipe(); err != nil {
			return outcome, fmt.Errorf("cannot make a pipe for the guest's %s: %w", what, err)
		}
		// A full pipe would make the guest wait for this process, at a time of its clock that depends
		// on the machine. 1 MiB is what everybody may ask for (fs.pipe-max-size).
		_, _ = unix.FcntlInt(theirs[i].Fd(), unix.F_SETPIPE_SZ, 1<<20)
	}

	files := append([]*os.File{theirs[0], theirs[1], theirs[2], a.initramfs}, with.files...) // consoleFD and so on
	if config.Card != nil {
		lines, far, err := connect()
		if err != nil {
			return outcome, err
		}
		defer closeAll(far...)
		files = append(files, far...)
		if watch.Lines != nil {
			watch.Lines(lines)
		}
	}

	ctx, cancel := context.WithTimeoutCause(ctx, config.Budget, ErrBudget)
	defer cancel()
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	r := &reception{watch: watch}
	errorOutput := &complaint{stuck: func() { giveUp(r.end("KVM has stopped the guest for good (KVM internal error)")) }}
	if a.by == virtualization {
		late := time.AfterFunc(config.virtualized, func() {
			if err := r.end("it is not up after %s on the machine's own processor, which %s should be for", config.virtualized, kvmDevice); errors.Is(err, ErrNoBoot) {
				giveUp(err)
			}
		})
		defer late.Stop()
	}
	command := exec.CommandContext(ctx, a.qemu.path, append(slices.Clone(a.args), with.args...)...)
	command.Stderr = errorOutput
	command.ExtraFiles = files
	command.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: unix.SIGKILL,
		Setpgid:   true, // a terminal's Ctrl-C is for this process, which ends its guests
	}
	here, anywhere, leave, err := place()
	if err != nil {
		return outcome, err
	}
	defer leave()
	if config.Clock == Real {
		here = anywhere // it idles in the machine's time, and the processors are others' then
	}
	began := time.Now()
	ended, err := launch(command, here)
	closeAll(theirs[:]...)
	if err != nil {
		return outcome, fmt.Errorf("cannot start %s: %w", a.qemu.path, err)
	}
	if here != anywhere {
		ctx, over := context.WithCancel(ctx)
		defer over()
		go share(ctx, command.Process.Pid, anywhere)
	}

	if watch.Started != nil {
		watch.Started(command.Process.Pid)
	}
	r.processor = func() time.Duration { return processorTime(command.Process.Pid) }
	var words console
	var reading sync.WaitGroup
	reading.Go(func() { words.read(ours[0], r.console) })
	for _, end := range ours[1:] { // a guest uses one of them
		reading.Go(func() {
			if err := r.messages(end); err != nil {
				r.fail(err)
				cancel() // nobody listens to this guest any more
			}
		})
	}
	exitErr := <-ended
	reading.Wait()

	outcome.Wall = time.Since(began)
	outcome.CPU = command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	outcome.Code, outcome.Up, outcome.UpCPU, outcome.Lasted = r.ending.Code, r.up, r.upCPU, r.ending.Monotonic
	last, panicked, memory := words.said()
	outcome.Console = last
	outcome.refused = len(last) == 0 && command.ProcessState.ExitCode() > 0
	switch {
	case r.ended && r.ending.Jobless:
		return outcome, because(errNoSnapshot, nil, "%s", r.ending.Trouble)
	case r.ended && r.ending.Trouble != "":
		return outcome, because(ErrUnprepared, nil, "the guest could not be prepared: %s", r.ending.Trouble)
	case r.ended && r.err == nil:
		return outcome, nil
	case errors.Is(context.Cause(ctx), ErrBudget):
		return outcome, because(ErrBudget, last, "the guest had not ended after %s of wall clock, its budget", config.Budget)
	case r.err != nil:
		return outcome, r.err
	case ctx.Err() != nil:
		return outcome, context.Cause(ctx)
	case memory:
		return outcome, because(ErrMemory, last, "the guest ran out of its %d MiB of memory: give it more", config.Memory)
	case !r.isUp:
		said := strings.TrimSpace(errorOutput.said.String())
		if said == "" && exitErr != nil {
			said = exitErr.Error()
		}
		if said != "" {
			said = " (QEMU: " + said + ")"
		}
		return outcome, because(ErrNoBoot, last, "the guest did not boot%s", said)
	case panicked:
		return outcome, because(ErrPanic, last, "the guest's kernel panicked")
	}
	return outcome, because(ErrEnded, last, "the guest ended before its job was done")
}

// connect makes the lines of a guest with a Card, and their far ends from cableFD on.
func connect() (lines Lines, far []*os.File, err error) {
	near := []**os.File{&lines.Cable, &lines.Control, &lines.Monitor}
	for i, what := range []string{"cable", "control line", "monitor"} {
		kind := unix.SOCK_STREAM
		if near[i] == &lines.Cable {
			kind = unix.SOCK_DGRAM
		}
		mine, theirs, err := pair(kind)
		if err != nil {
			closeAll(append(far, lines.Cable, lines.Control, lines.Monitor)...)
			return lines, nil, fmt.Errorf("cannot make the guest's %s: %w", what, err)
		}
		*near[i] = mine
		far = append(far, theirs)
	}
	return lines, far, nil
}

// pair is a socket of this process and one for the emulator.
func pair(kind int) (mine, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		// Reads of ours wait in the runtime's poller and end when the file is closed.
		err = unix.SetNonblock(fds[0], true)
	}
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "this end of a line to the emulator"), os.NewFile(uintptr(fds[1]), "the emulator's end of a line"), nil
}

func closeAll(files ...*os.File) {
	for _, file := range files {
		_ = file.Close() // nil and closed ones say so, and there is nothing to lose
	}
}

// launch starts the command on these processors, and from a thread that lives as long as the command does: Pdeathsig
// comes when the thread that forked ends, not the process (prctl(2)).
func launch(command *exec.Cmd, processors unix.CPUSet) (ended <-chan error, err error) {
	started, done := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var own unix.CPUSet
		err := unix.SchedGetaffinity(0, &own)
		if err == nil {
			err = unix.SchedSetaffinity(0, &processors) // the child inherits it
		}
		if err == nil {
			err = errors.Join(command.Start(), unix.SchedSetaffinity(0, &own))
		}
		started <- err
		if err == nil {
			done <- command.Wait()
		}
	}()
	return done, <-started
}

// pack writes the initramfs into memory, with the job unless the guest is to wait for it.
func pack(config Config, seed uint64, await bool) (_ *os.File, err error) {
	file, err := memoryFile("initramfs", nil, 0)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
			err = fmt.Errorf("cannot make the initramfs: %w", err)
		}
	}()
	a := archive{to: file}
	for _, folder := range []string{"dev", "proc", "sys", "tmp", "modules"} {
		if err := a.directory(folder); err != nil {
			return nil, err
		}
	}
	// The kernel gives PID 1 its standard files from here, before anything is mounted.
	if err := a.add(entry{name: "dev/console", mode: unix.S_IFCHR | 0o600, major: 5, minor: 1}); err != nil {
		return nil, err
	}
	plan := guest.Plan{Virtual: config.Clock == Virtual, Seed: seed, Await: await}
	if !await {
		plan.Job = config.Job
	}
	for i, module := range config.Kernel.Modules {
		name := fmt.Sprintf("modules/%03d-%s", i, filepath.Base(module))
		if err := a.file(name, 0o644, module); err != nil {
			return nil, err
		}
		plan.Modules = append(plan.Modules, "/"+name)
	}
	encoded, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(a.executable(guest.InitFile, config.Binary), a.programs(config.Programs)); err != nil {
		return nil, err
	}
	if err := errors.Join(a.bytes(strings.TrimPrefix(guest.PlanFile, "/"), encoded), a.close()); err != nil {
		return nil, err
	}
	return file, nil
}

// complaint is what the emulator says of itself. An emulator whose guest KVM cannot go on with (an instruction
// that a nested KVM does not know, say) stops it, says so and waits for somebody to look.
type complaint struct {
	said  bytes.Buffer // not embedded: io.Copy would go round Write by its ReadFrom
	stuck func()
}

func (c *complaint) Write(said []byte) (int, error) {
	n, err := c.said.Write(said)
	if bytes.Contains(c.said.Bytes(), []byte("KVM internal error")) {
		c.stuck()
	}
	return n, err
}

// reception is what has come in from one attempt.
type reception struct {
	watch     Watch
	processor func() time.Duration // the emulator's processor time

	mu     sync.Mutex // one call of the watch at a time
	isUp   bool
	up     time.Duration
	upCPU  time.Duration
	ended  bool
	ending guest.Ending
	err    error
}

// end is why a guest has to be ended: it did not boot, or it did.
func (r *reception) end(why string, args ...any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isUp {
		return because(ErrEnded, nil, "the guest could not go on: "+why, args...)
	}
	return because(ErrNoBoot, nil, "the guest did not boot: "+why, args...)
}

func (r *reception) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = errors.Join(r.err, err)
}

func (r *reception) console(line string, trouble bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watch.Console != nil {
		r.watch.Console(line)
	}
	if trouble && r.watch.Trouble != nil {
		r.watch.Trouble(line)
	}
}

// messages takes messages until the guest closes the stream; a stream that breaks off is the
// guest's death and reported as that.
func (r *reception) messages(from io.Reader) error {
	for {
		kind, payload, err := guest.Read(from)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err == nil {
			err = r.take(kind, payload)
		}
		if err != nil {
			return err
		}
	}
}

func (r *reception) take(kind guest.Kind, payload []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch kind {
	case guest.Up:
		var stamped guest.Stamped
		if err := json.Unmarshal(payload, &stamped); err != nil {
			return fmt.Errorf("%w: %w", guest.ErrGarbled, err)
		}
		r.isUp, r.up, r.upCPU = true, stamped.Monotonic, r.processor()
		if r.watch.Up != nil {
			r.watch.Up()
		}
	case guest.Said:
		if r.watch.Message != nil {
			return r.watch.Message(payload)
		}
	case guest.End:
		if err := json.Unmarshal(payload, &r.ending); err != nil {
			return fmt.Errorf("%w: %w", guest.ErrGarbled, err)
		}
		r.ended = true
	}
	return nil
}

// processorTime is what a process and its threads have used so far; 0 once it is gone.
func processorTime(pid int) time.Duration {
	var spent unix.Timespec
	// The clock of another process (clock_getcpuclockid(3)): ~pid above three bits, 2 = CPUCLOCK_SCHED.
	if err := unix.ClockGettime(int32(^pid<<3|2), &spent); err != nil {
		return 0
	}
	return time.Duration(spent.Nano())
}
