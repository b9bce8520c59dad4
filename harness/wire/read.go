package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// largestFrame holds a segment of 64 KB with its headers, should a host have offload on.
const largestFrame = 1 << 17

// read takes frames off the socket until it is closed, sleeping in the netpoller in between.
func (c *Capture) read() {
	defer close(c.done)
	r := readers.Get().(*reader)
	r.capture, r.decoder = c, newDecoder()
	defer func() {
		r.capture, r.decoder = nil, nil // the next capture holds nothing of this one
		readers.Put(r)
	}()
	var failure error
	err := c.socket.Read(func(fd uintptr) bool {
		for {
			failure = r.readFrame(int(fd))
			switch {
			case failure == nil:
			case errors.Is(failure, unix.EAGAIN):
				return false
			case errors.Is(failure, unix.EINTR):
			default:
				return true
			}
		}
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	// A raw connection does not say os.ErrClosed when its file is closed under it.
	if c.closing {
		c.failure = ErrClosed
		return
	}
	c.failure = fmt.Errorf("%w: reading ended: %w", ErrIncomplete, errors.Join(err, failure))
}

// readers are those of captures that have ended: their buffers are a fifth of all memory that a spec takes.
var readers = sync.Pool{New: func() any { return new(reader) }}

type reader struct {
	capture *Capture
	decoder *decoder
	buffer  [largestFrame]byte
	control [64]byte // room for a time stamp
	link    unix.RawSockaddrLinklayer
	into    unix.Iovec
	message unix.Msghdr
}

// receive is recvmsg(2) into the reader's buffers. It tells the Go runtime nothing of the call, which never waits: the
// runtime would wake its watch over calls that do (sysmon), a thread, for every few frames.
func (r *reader) receive(fd int) (length int, err error) {
	r.link = unix.RawSockaddrLinklayer{}
	r.into.Base = &r.buffer[0]
	r.into.SetLen(len(r.buffer))
	r.message = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&r.link)), Namelen: unix.SizeofSockaddrLinklayer, Iov: &r.into, Control: &r.control[0]}
	r.message.SetIovlen(1)
	r.message.SetControllen(len(r.control))
	n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.message)), unix.MSG_TRUNC|unix.MSG_DONTWAIT)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil // MSG_TRUNC: of the frame, even if it is longer than the buffer
}

// readFrame takes one frame; errors are the kernel's, EAGAIN when there is none.
func (r *reader) readFrame(fd int) error {
	length, err := r.receive(fd)
	if err != nil {
		return err
	}
	if r.message.Flags&unix.MSG_TRUNC != 0 {
		return fmt.Errorf("a frame of %d bytes is longer than %d", length, len(r.buffer))
	}
	if r.link.Family != unix.AF_PACKET {
		return fmt.Errorf("a frame came without its interface: address family %d", r.link.Family)
	}
	at, err := stamped(r.control[:r.message.Controllen])
	if err != nil {
		return err
	}
	data := append([]byte(nil), r.buffer[:length]...)
	decoded := r.decoder.decode(data)
	outgoing := r.link.Pkttype == unix.PACKET_OUTGOING
	if decoded.marker != nil {
		// The marker's second crossing of lo is the one that has been through the backlog.
		if !outgoing {
			r.capture.markerRead(decoded.marker)
		}
		return nil
	}
	r.capture.add(at, int(r.link.Ifindex), outgoing, data, length, decoded)
	return nil
}

// stamped is the kernel's time stamp of a frame, as monotonic time, from its control messages.
func stamped(control []byte) (time.Duration, error) {
	for len(control) > 0 {
		header, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			return 0, fmt.Errorf("a frame's control messages: %w", err)
		}
		if header.Level == unix.SOL_SOCKET && header.Type == unix.SCM_TIMESTAMPNS && len(data) >= 16 {
			return timespec(data) - realOffset(), nil
		}
		control = rest
	}
	return 0, errors.New("a frame came without a time stamp")
}

func timespec(data []byte) time.Duration {
	return time.Duration(binary.NativeEndian.Uint64(data))*time.Second + time.Duration(binary.NativeEndian.Uint64(data[8:]))
}
