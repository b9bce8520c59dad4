package guest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/mono"
)

// Work is the caller's function: it does the job, sends what it has to say, and returns the guest's
// exit code. send may be called from any goroutine.
type Work func(job []byte, send func(message []byte) error) int

// Here tells whether this process is PID 1 of a guest.
func Here() bool { return os.Getpid() == 1 && os.Getenv(MarkEnv) != "" }

// mostMemory is how much PID 1 takes before it collects garbage.
const mostMemory = 64 << 20

// Main is PID 1's whole life; it does not return while the machine runs.
func Main(work Work) {
	_ = os.Unsetenv(MarkEnv) // the processes to come are not PID 1
	// The runtime collects garbage every two minutes whether there is any or not (forcegcperiod), of
	// the guest's time: more than half of what an idle day cost.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(mostMemory)
	if err := live(linux{}, work); err != nil {
		fmt.Fprintln(os.Stderr, "halfopen:", err)
	}
	err := linux{}.Restart()
	// PID 1 that ends panics the kernel, which ends the machine as well, with this as its last words.
	fmt.Fprintln(os.Stderr, "halfopen: cannot restart the machine:", err)
	os.Exit(1)
}

// live prepares the machine and does the job. What goes wrong before there is a way out for
// messages is the error; afterwards it is the Ending's trouble.
func live(sys system, work Work) (err error) {
	if err := errors.Join(
		mount(sys, "proc", "/proc"),
		mount(sys, "sysfs", "/sys"),
		mount(sys, "devtmpfs", "/dev"),
	); err != nil {
		return err
	}
	plan, err := read(sys)
	if err != nil {
		return err
	}
	// The way out may need a module itself, so a module that cannot be loaded is told afterwards.
	trouble := errors.Join(loadModules(sys, plan.Modules), prepare(sys, plan))
	out, err := sys.OpenMessages()
	if err != nil {
		return errors.Join(trouble, err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()

	ending := Ending{Code: -1}
	if trouble == nil && plan.Await {
		if plan.Job, trouble = sys.AwaitJob(); trouble != nil {
			trouble = fmt.Errorf("cannot wait for a job: %w", trouble)
			ending.Jobless = true
		}
	}
	if trouble != nil {
		ending.Trouble = trouble.Error()
	} else {
		if err := tell(out, Up, Stamped{mono.Now()}); err != nil {
			return err
		}
		var mu sync.Mutex
		ending.Code = work(plan.Job, func(message []byte) error {
			mu.Lock()
			defer mu.Unlock()
			return Write(out, Said, message)
		})
	}
	ending.Monotonic = mono.Now()
	return tell(out, End, ending)
}

func tell(out io.Writer, kind Kind, what any) error {
	payload, err := json.Marshal(what)
	if err != nil {
		return fmt.Errorf("cannot encode a message: %w", err)
	}
	return Write(out, kind, payload)
}

func mount(sys system, fstype, target string) error {
	// EBUSY: the kernel has done it itself (CONFIG_DEVTMPFS_MOUNT).
	if err := sys.Mount(fstype, target); err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("cannot mount %s on %s: %w", fstype, target, err)
	}
	return nil
}

func read(sys system) (Plan, error) {
	var plan Plan
	data, err := sys.ReadFile(PlanFile)
	if err != nil {
		return plan, fmt.Errorf("cannot read the plan: %w", err)
	}
	if err := json.Unmarshal(data, &plan); err != nil {
		return plan, fmt.Errorf("cannot understand the plan: %w", err)
	}
	return plan, nil
}

// loadModules loads every module it can and reports all that it cannot: the lab finds out itself
// which it can do without, but a missing one is most often the reason why it cannot.
func loadModules(sys system, paths []string) error {
	var errs []error
	for _, path := range paths {
		if err := sys.LoadModule(path); err != nil {
			errs = append(errs, fmt.Errorf("cannot load the module %s: %w", filepath.Base(path), err))
		}
	}
	return errors.Join(errs...)
}

// prepare brings up the loopback and makes an idle machine sleep.
func prepare(sys system, plan Plan) error {
	seed := make([]byte, 64)
	for i := 0; i < len(seed); i += 8 {
		binary.BigEndian.PutUint64(seed[i:], plan.Seed+uint64(i))
	}
	var errs []error
	if err := sys.SeedRandom(seed); err != nil {
		errs = append(errs, fmt.Errorf("cannot seed the kernel's random numbers: %w", err))
	}
	if err := sys.LinkUp("lo"); err != nil {
		errs = append(errs, fmt.Errorf("cannot bring up lo: %w", err))
	}
	if plan.Virtual {
		for _, quiet := range quiets {
			path := "/proc/sys/" + strings.ReplaceAll(quiet.sysctl, ".", "/")
			if err := sys.WriteFile(path, quiet.value); err != nil && !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, fmt.Errorf("cannot set %s to %s: %w", quiet.sysctl, quiet.value, err))
			}
		}
		errs = append(errs, slacken(sys), retireServer(sys))
	}
	return errors.Join(errs...)
}

// retireServer takes the time from the server that keeps real-time tasks from starving all others (since 6.12), of
// which there are none here: its timer was a third of all interrupts. A kernel without it or without debugfs has
// nothing to retire.
func retireServer(sys system) error {
	if err := sys.Mount("debugfs", "/sys/kernel/debug"); err != nil {
		return nil
	}
	err := sys.WriteFile("/sys/kernel/debug/sched/fair_server/cpu0/runtime", "0")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot retire the scheduler's fair server: %w", err)
	}
	return nil
}

// slack is how late a sleep of PID 1 may end, and of the processes that it starts, which inherit it. The Go runtime's
// watch over its threads (sysmon) sleeps 20 us at a time, fifty times over, after whatever a process does: it was
// 15,000 of 18,000 timer interrupts of 47 specs, and a quarter of what these cost. Timers of sockets have no slack.
const slack = 5 * time.Millisecond

// slacken gives all threads that slack (proc_pid_timerslack_ns(5)); those to come have it of their creators.
func slacken(sys system) error {
	threads, err := sys.Threads()
	errs := []error{err}
	for _, thread := range threads {
		errs = append(errs, sys.WriteFile("/proc/"+thread+"/timerslack_ns", strconv.FormatInt(slack.Nanoseconds(), 10)))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot let timers be late: %w", err)
	}
	return nil
}

// quiets are the sysctls that keep an idle guest asleep: on virtual time each wake-up costs some
// ten thousand emulated instructions, and the time between two of them nothing.
var quiets = []struct{ sysctl, value string }{
	{"vm.stat_interval", "86400"},         // vmstat_update: once a second
	{"vm.dirty_writeback_centisecs", "0"}, // wb_workfn: every five seconds
	{"kernel.timer_migration", "0"},
	// neigh_managed_work: every five seconds for each family, to probe neighbours that are marked as
	// managed, of which there are none.
	{"net.ipv4.neigh.default.interval_probe_time_ms", "86400000"},
	{"net.ipv6.neigh.default.interval_probe_time_ms", "86400000"},
}
