package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// insideEnv marks the copy that runs inside; its children inherit the mark with the namespaces.
const insideEnv = "HALFOPEN_INSIDE"

// Options say what of the world outside stays in reach.
type Options struct {
	// KeepNetwork leaves the program in the network namespace it was started in: a Ginkgo worker
	// must reach its coordinator over the loopback outside. Labs make their own namespaces anyway.
	KeepNetwork bool
}

// Inside tells whether the program runs in its own namespaces already.
func Inside() bool { return os.Getenv(insideEnv) != "" }

// Enter returns nil inside. Outside it re-executes the program inside, waits for it and exits with
// its exit code, so it returns only an error: *Forbidden where the system refuses namespaces.
func Enter(options Options) error {
	if Inside() {
		return settle()
	}
	code, err := reexecute(options)
	if err != nil {
		return err
	}
	os.Exit(code)
	return nil
}

// settle makes the namespaces usable once inside.
func settle() error {
	if os.Getpid() != 1 {
		return nil // a child of the copy inside: all is set up
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		// AppArmor lets the user namespace be made and denies every capability in it.
		return forbidden(fmt.Errorf("cannot make the mounts private: %w", err))
	}
	// Where parts of /proc are masked (containers), the kernel refuses a fresh one
	// (mount_too_revealing). The old one then serves: /proc/self and /proc/sys/net work there too.
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("cannot mount /proc: %w", err)
	}
	return nil
}

func reexecute(options Options) (code int, err error) {
	// PR_SET_PDEATHSIG is tied to the thread that forked, not to the process (prctl(2)): this
	// goroutine keeps its thread until the program exits.
	runtime.LockOSThread()

	var flags uintptr = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	if options.KeepNetwork {
		flags &^= unix.CLONE_NEWNET
	}
	var inside *exec.Cmd
	if os.Geteuid() == 0 {
		inside, err = start(flags)
		// Root in a container may lack CAP_SYS_ADMIN and still be allowed a user namespace.
		if errors.Is(err, unix.EPERM) {
			inside, err = start(flags | unix.CLONE_NEWUSER)
		}
	} else {
		inside, err = start(flags | unix.CLONE_NEWUSER)
	}
	if err != nil {
		return 0, forbidden(err)
	}

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	go func() {
		for s := range signals {
			// The process is reaped only after the loop's channel has gone quiet for good.
			_ = inside.Process.Signal(s)
		}
	}()
	err = inside.Wait()
	signal.Stop(signals)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("cannot wait for the program inside its namespaces: %w", err)
	}
	if status := inside.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
		fmt.Fprintf(os.Stderr, "%s: the program inside its namespaces was ended by %s before it could finish\n",
			filepath.Base(os.Args[0]), unix.SignalName(status.Signal()))
		return 128 + int(status.Signal()), nil
	}
	return inside.ProcessState.ExitCode(), nil
}

func start(flags uintptr) (*exec.Cmd, error) {
	inside := exec.Command("/proc/self/exe", os.Args[1:]...)
	inside.Args[0] = os.Args[0]
	inside.Stdin, inside.Stdout, inside.Stderr = os.Stdin, os.Stdout, os.Stderr
	inside.Env = append(os.Environ(), insideEnv+"=1")
	inside.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: flags,
		Pdeathsig:  unix.SIGKILL,
		// A terminal's Ctrl-C goes to the group outside alone, which forwards it once.
		Setpgid: true,
	}
	if flags&unix.CLONE_NEWUSER != 0 {
		inside.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		inside.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	if err := inside.Start(); err != nil {
		return nil, err
	}
	return inside, nil
}
