// Package procfs reads and writes the kernel's small files, by no more system calls than that takes: package os has
// the poller watch each of them, which is five calls more for a sysctl, of which a spec reads and writes 70.
package procfs

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Read is what the file says now. Errors are an [os.PathError].
func Read(path string) ([]byte, error) {
	fd, err := open(path, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	page := pages.Get().(*[4096]byte) // the kernel gives as much at a time
	defer pages.Put(page)
	var content []byte
	for {
		n, err := again(func() (int, error) { return unix.Read(fd, page[:]) })
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			return content, nil
		}
		content = append(content, page[:n]...)
	}
}

// pages are for what is read: most files are ten bytes long.
var pages = sync.Pool{New: func() any { return new([4096]byte) }}

// Write gives the file a value, by one write(2) as sysctls need it. One that is not there is os.ErrNotExist to
// errors.Is, and is not created. Errors are an [os.PathError].
func Write(path, value string) error {
	fd, err := open(path, unix.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = again(func() (int, error) { return unix.Write(fd, []byte(value)) })
	if err = errors.Join(err, unix.Close(fd)); err != nil {
		return &os.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

func open(path string, mode int) (int, error) {
	fd, err := again(func() (int, error) { return unix.Open(path, mode|unix.O_CLOEXEC, 0) })
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// again makes a call once more when a signal has interrupted it.
func again(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != unix.EINTR {
			return n, err
		}
	}
}
