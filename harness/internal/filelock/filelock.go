// Package filelock keeps processes from doing the same work at the same time. The lock is the kernel's (flock(2)), so
// it ends with the process, whatever kills it.
package filelock

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Wait takes the lock of a file, which it makes if need be. Before it waits for somebody else it calls waits, which may
// be nil.
func Wait(ctx context.Context, path string, waits func()) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	release := func() { file.Close() }
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
		return release, nil
	} else if !errors.Is(err, unix.EWOULDBLOCK) {
		release()
		return nil, &os.PathError{Op: "flock", Path: path, Err: err}
	}
	if waits != nil {
		waits()
	}
	locked := make(chan error, 1)
	go func() {
		for {
			err := unix.Flock(int(file.Fd()), unix.LOCK_EX)
			if err != unix.EINTR {
				locked <- err
				return
			}
		}
	}()
	select {
	case err := <-locked:
		if err != nil {
			release()
			return nil, &os.PathError{Op: "flock", Path: path, Err: err}
		}
		return release, nil
	case <-ctx.Done():
		go func() { // flock cannot be called off: the lock is given back when it comes
			<-locked
			release()
		}()
		return nil, context.Cause(ctx)
	}
}
