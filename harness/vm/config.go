package vm

import (
	"cmp"
	"net"
	"os"
	"time"
)

// Clock is where a guest's time comes from.
type Clock string

// The clocks.
const (
	Virtual Clock = "virtual" // the guest's own instructions; idle time is skipped
	Real    Clock = "real"    // the wall clock
)

// Kernel is what to boot.
type Kernel struct {
	Path    string   // an ELF file (vmlinux); PVH says whether it can be booted directly
	PVH     bool     // Path has the Xen note of a direct (PVH) boot
	BzImage string   // the compressed kernel, for firmware to boot where PVH is not there; may be empty
	Modules []string // files, in load order
}

// Config describes a guest; the zero value of all but Kernel works.
type Config struct {
	Kernel Kernel
	Binary string // the static program that is PID 1; default: this program
	Job    []byte // for the program's guest.Main

	// Programs are executables that the job starts, dynamic or not: they are in the guest at the same path.
	Programs []string

	// Card makes the guest a computer on a network: it has a network card with this address, and its job
	// can be spoken to (Lines). It may restart then, which is no end, and its job begins again.
	Card net.HardwareAddr

	Clock  Clock         // default Virtual
	Seed   uint64        // of everything random in the guest
	Append string        // further kernel parameters; they come last, so they win
	Memory int           // MiB; default 512
	Budget time.Duration // the wall clock's limit of one attempt; default 10 minutes
	QEMU   string        // the emulator; default: qemu-system-x86_64 on PATH

	// Snapshots is a folder in which is kept what a guest on the virtual clock is when it has booted, to go on from
	// there the next time; some hundred megabytes for each kernel and program, of the last twelve. Empty: it boots.
	Snapshots string

	virtualized time.Duration // how long a guest may take to be up on the machine's own processor before emulation is tried
}

// The defaults.
const (
	DefaultMemory = 512
	DefaultBudget = 10 * time.Minute

	// An emulated guest is up after 4 to 15 s. A KVM that is slower is of no use: one without the processor's
	// help was seen to take a minute to the kernel's first word.
	defaultVirtualized = 15 * time.Second
)

func (c Config) withDefaults() Config {
	c.Clock = cmp.Or(c.Clock, Virtual)
	c.Memory = cmp.Or(c.Memory, DefaultMemory)
	c.Budget = cmp.Or(c.Budget, DefaultBudget)
	c.virtualized = cmp.Or(c.virtualized, defaultVirtualized)
	c.Binary = cmp.Or(c.Binary, "/proc/self/exe")
	return c
}

// Watch is told what a guest says while it runs, one call at a time; any of them may be nil.
type Watch struct {
	Attempt func(number int, seed uint64) // the emulator starts, 1 for the first time
	Lines   func(Lines)                   // of a guest with a Card, before it starts; they are the receiver's to close
	Started func(pid int)                 // the emulator's process, at each attempt
	Up      func()                        // PID 1 begins the job; again after each restart of a guest with a Card
	Message func([]byte) error            // from the job; an error ends the guest
	Console func(line string)             // without its line end
	Trouble func(line string)             // a line of the console on which the kernel complains
}

// Lines are this end of what leads to a guest with a Card. They are stream sockets but for the cable.
type Lines struct {
	Cable   *os.File // its network card's: a datagram is a frame
	Control *os.File // its job's, at guest.OpenControl
	Monitor *os.File // its emulator's: QMP
}

// Outcome is how a guest ended, as far as it came.
type Outcome struct {
	Code     int           // the exit code of the job
	Attempts int           // how often it was tried
	Booted   bool          // and it did not go on from a snapshot that was kept
	Seed     uint64        // of the last attempt
	Up       time.Duration // the guest's clock when the job began
	Lasted   time.Duration // the guest's clock when it ended
	UpCPU    time.Duration // the emulator's processor time when the job began
	CPU      time.Duration // the emulator's processor time, last attempt
	Wall     time.Duration // of the last attempt
	Console  []string      // the console's last lines

	refused bool // the emulator ended by itself, with an error, before the guest had a word
}
