package kernel_test

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inNamespace runs do on a thread of its own in a fresh network namespace. Without root the test runs
// once more as a child in a new user namespace, where it is root.
func inNamespace(t *testing.T, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		inUserNamespace(t)
		return
	}
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and its namespace with it.
		runtime.LockOSThread()
		err := errors.New("the test ended early")
		defer func() { done <- err }()
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			do()
		}
	}()
	if err := <-done; err != nil {
		t.Fatalf("no network namespace of our own: %v", err)
	}
}

func inUserNamespace(t *testing.T) {
	t.Helper()
	child := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   unix.SIGKILL,
	}
	out, err := child.CombinedOutput()
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EACCES):
		t.Skipf("this machine forbids user namespaces, and the test is not root: %v", err)
	case err != nil:
		t.Fatalf("as root of a user namespace: %v\n%s", err, out)
	}
	t.Logf("as root of a user namespace:\n%s", out)
}
