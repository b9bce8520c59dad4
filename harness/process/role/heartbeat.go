package role

import "syscall"

// The words of the protocol: "heartbeat 7" is answered by "alive 7".
const (
	heartbeatWord = "heartbeat "
	answerWord    = "alive "
)

// errProtocol is what a peer said that does not belong to the protocol.
const errProtocol = Error("the peer said what is no part of the heartbeat protocol")

// beat asks the peer again and again. It waits for the peer's words all the time, between heartbeats
// too, so that it learns of a peer's end at once.
func (d *descriptor) beat(q Request) {
	a := Answer{}
	done := func(call string, ended bool, err error) {
		a.EOF = ended
		d.process.reply(finish(q, a, call, err))
	}
	var rest func()
	ask := func() {
		number := decimal(a.N + 1)
		if err := d.say(heartbeatWord + number); err != nil {
			done(OpWrite, false, err)
			return
		}
		d.expect(answerWord+number+"\n", now()+q.Most, func(ended bool, err error) {
			switch {
			case err == errLate:
				a.Late = true
				done("", false, nil)
			case ended || err != nil:
				done(OpRead, ended, err)
			default:
				a.N++
				rest()
			}
		})
	}
	rest = func() {
		d.expect("", now()+q.Every, func(ended bool, err error) {
			if err != errLate {
				done(OpRead, ended, err)
				return
			}
			ask()
		})
	}
	rest()
}

// echo answers.
func (d *descriptor) echo(q Request) {
	a := Answer{}
	var listen func()
	listen = func() {
		number := decimal(a.N + 1)
		d.expect(heartbeatWord+number+"\n", 0, func(ended bool, err error) {
			call := OpRead
			if !ended && err == nil {
				call, err = OpWrite, d.say(answerWord+number)
			}
			if ended || err != nil {
				a.EOF = ended
				d.process.reply(finish(q, a, call, err))
				return
			}
			a.N++
			listen()
		})
	}
	listen()
}

// say writes a line. The send buffer has room for it: there is one line on its way at a time.
func (d *descriptor) say(line string) error {
	return d.use(func(fd int) error {
		_, err := send(fd, []byte(line+"\n"))
		return err
	})
}

// expect reads until all of the text has come, the end of file (ended), an errno, or the deadline has
// passed (errLate; 0: none). Where no text is expected, any is errProtocol.
func (d *descriptor) expect(text string, deadline int64, then func(ended bool, err error)) {
	buffer := make([]byte, 64)
	for {
		var n int
		err := d.use(func(fd int) (err error) {
			n, err = syscall.Read(fd, buffer)
			return err
		})
		switch {
		case err == syscall.EAGAIN:
			if deadline != 0 && deadline <= now() {
				then(false, errLate)
				return
			}
			d.wait(syscall.EPOLLIN|syscall.EPOLLRDHUP, deadline, func(_ uint32, err error) {
				if err != nil {
					then(false, err)
					return
				}
				d.expect(text, deadline, then)
			})
			return
		case err != nil:
			then(false, err)
			return
		case n == 0:
			then(true, nil)
			return
		case n > len(text) || text[:n] != string(buffer[:n]):
			then(false, errProtocol)
			return
		}
		if text = text[n:]; text == "" {
			then(false, nil)
			return
		}
	}
}
