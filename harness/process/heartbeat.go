package process

import (
	"time"

	"github.com/halfopen/halfopen/harness/process/role"
)

// Heartbeat is a protocol of an application's own: one side asks and the other answers, in lines.
// "heartbeat 7" is answered by "alive 7". The answer comes from the process and not from its
// kernel, so it tells of both.
type Heartbeat struct {
	Every time.Duration // from the start or the last answer to the next heartbeat
	Most  time.Duration // how long an answer may take
}

// StartHeartbeat makes the process ask its peer again and again, for the first time after Every. The
// call ends when an answer is late (Result.Late), at the peer's end of file, or with an errno; N
// is how many answers have come.
func (s *Socket) StartHeartbeat(h Heartbeat) *Pending {
	return s.start(role.Request{Op: role.OpBeat, Every: int64(h.Every), Most: int64(h.Most)})
}

// StartAnswering makes the process answer heartbeats until the connection ends.
func (s *Socket) StartAnswering() *Pending { return s.start(role.Request{Op: role.OpEcho}) }
