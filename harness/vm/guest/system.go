package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/internal/procfs"
)

// system is what PID 1 asks of the kernel, narrow enough to be played by a test.
type system interface {
	ReadFile(path string) ([]byte, error)
	WriteFile(path, value string) error
	Mount(fstype, target string) error
	LoadModule(path string) error
	LinkUp(name string) error
	SeedRandom(seed []byte) error
	Threads() ([]string, error)
	OpenMessages() (io.WriteCloser, error)
	AwaitJob() ([]byte, error)
	Restart() error
}

// linux is the running kernel.
type linux struct{}

func (linux) ReadFile(path string) ([]byte, error) { return os.ReadFile(path) }

func (linux) WriteFile(path, value string) error { return procfs.Write(path, value) }

func (linux) Mount(fstype, target string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	return unix.Mount(fstype, target, fstype, 0, "")
}

// moduleParameters are given to modules by their names.
var moduleParameters = map[string]string{
	// The table of a machine with an eighth of the memory: gc_worker walks it once a minute whether there is an entry
	// or not, half of what an idle day cost, and so does whatever ends, a device or a namespace (nf_ct_iterate_cleanup).
	"nf_conntrack": "hashsize=512",
}

// LoadModule loads a module's file. One that is there already, or built in, is not an error.
//
// The signature at its end is left out: checking it is two thirds of what it costs to load a module
// (an ECDSA P-521 of the distribution's own, 30 million instructions), and the package that the file
// is from has been verified. A kernel that takes no unsigned module gets it with its signature.
func (linux) LoadModule(path string) error {
	module, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	_, name, _ := strings.Cut(filepath.Base(path), "-") // after its place in the order
	parameters := moduleParameters[strings.TrimSuffix(name, ".ko")]
	err = unix.InitModule(unsigned(module), parameters)
	if errors.Is(err, unix.EKEYREJECTED) || errors.Is(err, unix.ENOKEY) || errors.Is(err, unix.EPERM) {
		err = unix.InitModule(module, parameters)
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

func (linux) LinkUp(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// SeedRandom credits the seed as entropy (random(4)): the kernel's random numbers are ready at
// once, and come from nothing else on a processor without RDRAND.
func (linux) SeedRandom(seed []byte) error {
	file, err := os.OpenFile("/dev/urandom", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	pool := struct {
		bits, size int32
		bytes      [64]byte
	}{bits: int32(8 * min(len(seed), 64)), size: int32(min(len(seed), 64))}
	copy(pool.bytes[:], seed)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, file.Fd(), unix.RNDADDENTROPY, uintptr(unsafe.Pointer(&pool))); errno != 0 {
		return errno
	}
	return nil
}

// The serial port that stands in for the virtio port: the first is the console.
const serialPort = "/dev/ttyS1"

// Threads are the numbers of PID 1's threads.
func (linux) Threads() (names []string, err error) {
	entries, err := os.ReadDir("/proc/self/task")
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, err
}

func (linux) OpenMessages() (io.WriteCloser, error) {
	path, err := virtioPort(PortName)
	if err != nil {
		return nil, err
	}
	if path != "" {
		return open(path)
	}
	port, err := open(serialPort)
	if err != nil {
		return nil, fmt.Errorf("there is no way out for messages: neither a virtio port (modules virtio_mmio or virtio_pci, and virtio_console) nor a second serial port: %w", err)
	}
	if err := raw(port.fd); err != nil {
		return nil, fmt.Errorf("cannot make %s carry bytes as they are: %w", serialPort, err)
	}
	return port, nil
}

// virtioPort is the device of the port with a name; empty if there is none.
func virtioPort(wanted string) (path string, err error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return "", err
	}
	for _, path := range names {
		name, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if strings.TrimSpace(string(name)) == wanted {
			return filepath.Join("/dev", filepath.Base(filepath.Dir(path))), nil
		}
	}
	return "", nil
}

// OpenControl opens the port over which the job is spoken to.
func OpenControl() (io.ReadWriteCloser, error) {
	path, err := virtioPort(ControlName)
	if err == nil && path == "" {
		err = fmt.Errorf("there is no virtio port %s", ControlName)
	}
	if err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR, 0)
}

// raw keeps the terminal's line discipline from turning a newline into two bytes.
func raw(fd int) error {
	state, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	state.Iflag, state.Oflag, state.Lflag = 0, 0, 0
	state.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200
	return unix.IoctlSetTermios(fd, unix.TCSETS, state)
}

// port is a device written with blocking writes: a goroutine parked in the poller would need a
// wake-up more for each message.
type port struct{ fd int }

func open(path string) (*port, error) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return &port{fd}, nil
}

func (p *port) Write(bytes []byte) (int, error) {
	written := 0
	for written < len(bytes) {
		n, err := unix.Write(p.fd, bytes[written:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return written, err
		}
		written += n
	}
	return written, nil
}

// Close waits until a serial port has sent everything; a virtio port has nothing to wait for.
func (p *port) Close() error {
	_ = unix.IoctlSetInt(p.fd, unix.TCSBRK, 1) // ENOTTY on a virtio port
	return unix.Close(p.fd)
}

// Restart ends the machine: it is started so that a restart makes the emulator exit, which needs
// no ACPI, as switching the power off would.
func (linux) Restart() error { return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART) }
