package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// largestFrame holds a segment of 64 KB with its headers, should a host have offload on.
const largestFrame = 1 << 17

// read takes frames off the socket until it is closed, sleeping in the netpoller in between.
func (c *Capture) read() {
	defer close(c.done)
	r := reader{
		capture: c,
		decoder: newDecoder(),
		buffer:  make([]byte, largestFrame),
		control: make([]byte, unix.CmsgSpace(16)),
	}
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

type reader struct {
	capture *Capture
	decoder *decoder
	buffer  []byte
	control []byte
}

// readFrame takes one frame; errors are the kernel's, EAGAIN when there is none.
func (r *reader) readFrame(fd int) error {
	n, controlLength, flags, from, err := unix.Recvmsg(fd, r.buffer, r.control, unix.MSG_TRUNC)
	if err != nil {
		return err
	}
	length := n // MSG_TRUNC: of the frame, even if it is longer than the buffer
	n = min(n, len(r.buffer))
	if flags&unix.MSG_TRUNC != 0 {
		return fmt.Errorf("a frame of %d bytes is longer than %d", length, len(r.buffer))
	}
	link, ok := from.(*unix.SockaddrLinklayer)
	if !ok {
		return fmt.Errorf("a frame came without its interface: %T", from)
	}
	at, err := r.stamp(r.control[:controlLength])
	if err != nil {
		return err
	}
	data := append([]byte(nil), r.buffer[:n]...)
	decoded := r.decoder.decode(data)
	outgoing := link.Pkttype == unix.PACKET_OUTGOING
	if decoded.marker != nil {
		// The marker's second crossing of lo is the one that has been through the backlog.
		if !outgoing {
			r.capture.markerRead(decoded.marker)
		}
		return nil
	}
	r.capture.add(at, link.Ifindex, outgoing, data, length, decoded)
	return nil
}

// stamp is the kernel's time stamp of the frame, as monotonic time.
func (r *reader) stamp(control []byte) (time.Duration, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0, fmt.Errorf("a frame's control messages: %w", err)
	}
	for _, message := range messages {
		if message.Header.Level == unix.SOL_SOCKET && message.Header.Type == unix.SCM_TIMESTAMPNS && len(message.Data) >= 16 {
			return timespec(message.Data) - realOffset(), nil
		}
	}
	return 0, errors.New("a frame came without a time stamp")
}

func timespec(data []byte) time.Duration {
	return time.Duration(binary.NativeEndian.Uint64(data))*time.Second + time.Duration(binary.NativeEndian.Uint64(data[8:]))
}
