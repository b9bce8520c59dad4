package kernel_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/sandbox"
)

func TestMain(m *testing.M) {
	if err := sandbox.Enter(sandbox.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// inNamespace runs do on a thread of its own in a fresh network namespace.
func inNamespace(t *testing.T, do func()) {
	t.Helper()
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
