package guest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Kind says what a message is.
type Kind byte

// The kinds of messages.
const (
	Up   Kind = 'U' // PID 1 is ready, the job begins; Stamped, JSON
	Said Kind = 'S' // from the job; opaque
	End  Kind = 'E' // the job is over; Ending, JSON
)

// Stamped is when something was, on the guest's clock.
type Stamped struct {
	Monotonic time.Duration `json:"monotonic"`
}

// Ending is how the job ended. A job that could not begin has a Trouble and no code of its own.
type Ending struct {
	Code      int           `json:"code"`
	Monotonic time.Duration `json:"monotonic"`
	Trouble   string        `json:"trouble,omitempty"`
	Jobless   bool          `json:"jobless,omitempty"` // the trouble is that a machine cannot stop to wait for a job
}

// maxMessage bounds what a guest gone wild can make the host allocate.
const maxMessage = 256 << 20

// ErrGarbled is a stream that is not made of messages.
var ErrGarbled = errors.New("the guest's messages are garbled")

// Write writes one message: its kind, its length as four bytes (big-endian), its bytes.
func Write(w io.Writer, kind Kind, payload []byte) error {
	frame := make([]byte, 0, 5+len(payload))
	frame = append(frame, byte(kind))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(payload)))
	frame = append(frame, payload...)
	if _, err := w.Write(frame); err != nil {
		return fmt.Errorf("cannot send a message of %d bytes: %w", len(payload), err)
	}
	return nil
}

// Read reads one message. At the end of the stream it returns io.EOF, inside a message
// io.ErrUnexpectedEOF.
func Read(r io.Reader) (Kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	kind, size := Kind(head[0]), binary.BigEndian.Uint32(head[1:])
	switch kind {
	case Up, Said, End:
	default:
		return 0, nil, fmt.Errorf("%w: no message is of kind %#x", ErrGarbled, head[0])
	}
	if size > maxMessage {
		return 0, nil, fmt.Errorf("%w: a message of %d bytes", ErrGarbled, size)
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, errors.Join(io.ErrUnexpectedEOF, err)
	}
	return kind, payload, nil
}
