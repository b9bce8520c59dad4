package stage

import (
	"github.com/halfopen/halfopen/harness/process"
)

// Heartbeat is a protocol of the application's own: a line that the other process must answer in
// time.
type Heartbeat = process.Heartbeat

// StartHeartbeat makes the end's process ask its peer from now on. What it returns tells how that
// ends: Late, end of file, or an errno.
func (e *End) StartHeartbeat(h Heartbeat) *Reading {
	if e.Host.scene.sabotaged("application-timeout-off") {
		return e.StartRead()
	}
	e.Host.scene.lab.Note("%s: a heartbeat every %s, to be answered within %s", e, h.Every, h.Most)
	return &Reading{end: e, call: "the heartbeat", pending: e.socket.StartHeartbeat(h)}
}

// AnswerHeartbeats makes the end's process answer from now on.
func (e *End) AnswerHeartbeats() { e.socket.StartAnswering() }
