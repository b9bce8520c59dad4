package process

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/mono"
)

// Heartbeat is a protocol of an application's own: one side asks and the other answers, in lines.
// "heartbeat 7" is answered by "alive 7". The answer comes from the process and not from its
// kernel, so it tells of both.
type Heartbeat struct {
	Every time.Duration // from the start or the last answer to the next heartbeat
	Most  time.Duration // how long an answer may take
}

// The words of the protocol.
const (
	heartbeatWord = "heartbeat "
	answerWord    = "alive "
)

// StartHeartbeat makes the process ask its peer again and again, for the first time after Every. The
// call ends when an answer is late (Result.Late), at the peer's end of file, or with an errno; N
// is how many answers have come.
func (s *Socket) StartHeartbeat(h Heartbeat) *Pending {
	return s.start(request{Op: opBeat, Every: h.Every, Most: h.Most})
}

// StartAnswering makes the process answer heartbeats until the connection ends.
func (s *Socket) StartAnswering() *Pending { return s.start(request{Op: opEcho}) }

// beat runs in the process that asks. It waits in poll(2) all the time, between heartbeats too, so
// that it learns of a peer's end at once.
func beat(q request, d *descriptor) answer {
	a := answer{}
	for {
		ended, err := d.expect(nil, q.Every)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			a.EOF = ended
			return finish(q, a, "read", err)
		}
		number := strconv.Itoa(a.N + 1)
		if err := d.say(heartbeatWord + number); err != nil {
			return finish(q, a, "write", err)
		}
		ended, err = d.expect([]byte(answerWord+number+"\n"), q.Most)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			a.Late = true
			return finish(q, a, "", nil)
		}
		if ended || err != nil {
			a.EOF = ended
			return finish(q, a, "read", err)
		}
		a.N++
	}
}

// echo runs in the process that answers.
func echo(q request, d *descriptor) answer {
	a := answer{}
	for {
		number := strconv.Itoa(a.N + 1)
		ended, err := d.expect([]byte(heartbeatWord+number+"\n"), 0)
		if ended || err != nil {
			a.EOF = ended
			return finish(q, a, "read", err)
		}
		if err := d.say(answerWord + number); err != nil {
			return finish(q, a, "write", err)
		}
		a.N++
	}
}

// say writes a line. The send buffer has room for it: there is one line on its way at a time.
func (d *descriptor) say(line string) error {
	return d.use(func(fd int) error {
		_, err := unix.SendmsgN(fd, []byte(line+"\n"), nil, nil, unix.MSG_NOSIGNAL)
		return err
	})
}

// errProtocol is what a peer said that does not belong to the protocol.
var errProtocol = errors.New("the peer said what is no part of the heartbeat protocol")

// expect reads until all of the text has come, the end of file (ended), an errno, or so long has
// passed (os.ErrDeadlineExceeded; 0: for ever). Where no text is expected, any is errProtocol.
func (d *descriptor) expect(text []byte, most time.Duration) (ended bool, err error) {
	deadline, buffer := mono.Now()+most, make([]byte, 64)
	for {
		var n int
		err := d.use(func(fd int) (err error) {
			n, err = unix.Read(fd, buffer)
			return err
		})
		switch {
		case err == unix.EAGAIN:
			left := time.Duration(0)
			if most > 0 {
				if left = deadline - mono.Now(); left <= 0 {
					return false, os.ErrDeadlineExceeded
				}
			}
			if _, err := d.waitFor(unix.EPOLLIN|unix.EPOLLRDHUP, left); err != nil {
				return false, err
			}
			continue
		case err != nil:
			return false, err
		case n == 0:
			return true, nil
		}
		rest, is := bytes.CutPrefix(text, buffer[:n])
		if !is {
			return false, errProtocol
		}
		if text = rest; len(text) == 0 {
			return false, nil
		}
	}
}
