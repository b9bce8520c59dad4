package stage

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/spec"
)

// Program is a program on a host that holds sockets of its own: a web server or client.
type Program struct {
	name    string // as people call it: "nginx"
	host    *Host
	program *process.Program
	address netip.AddrPort // where it listens, or from where it connects
}

func (h *Host) startProgram(name string, port uint16, start func() (*process.Program, error)) *Program {
	started, err := h.lab.StartProgram(start)
	mustStage(err)
	return &Program{name: name, host: h, program: started, address: netip.AddrPortFrom(h.Address(), port)}
}

// awaits waits for a line of the program's, at most so long.
func (p *Program) awaits(ctx context.Context, patience time.Duration, what string, fits func(process.Line) bool) process.Line {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	line, err := p.program.Await(ctx, fits)
	if errors.Is(err, context.DeadlineExceeded) {
		spec.Fail(fmt.Sprintf("the %s's %s has not said %s within %s", p.host, p.name, what, patience))
	}
	mustStage(err)
	p.host.scene.lab.Wire().Note(line.At, fmt.Sprintf("%s: %s said: %s", p.host, p.name, line))
	return line
}

// SaysWithin waits, at most so long, until the program has said a line that contains the text, and
// returns when it was read.
func (p *Program) SaysWithin(ctx context.Context, patience time.Duration, text string) (at time.Duration) {
	return p.awaits(ctx, patience, fmt.Sprintf("%q", text), saidText(text)).At
}

// saidText fits a line that contains the text.
func saidText(text string) func(process.Line) bool {
	return func(line process.Line) bool { return strings.Contains(line.Text, text) }
}

// Said tells whether the program has said a line that contains the text.
func (p *Program) Said(text string) bool {
	return slices.ContainsFunc(p.program.Lines(), saidText(text))
}

// Kill sends SIGKILL and waits until the program is gone.
func (p *Program) Kill() Death {
	if p.host.scene.sabotaged("no-kill") {
		at := p.Freeze()
		return Death{At: at, Gone: mono.Now()}
	}
	death, err := p.program.Kill()
	mustStage(err)
	p.host.scene.lab.Wire().Note(death.At, fmt.Sprintf("%s: %s %s", p.host, p.name, death))
	p.host.scene.look()
	p.host.scene.sabotageFault(func(end *End) bool { return end.Program == p })
	return death
}

// Freeze stops the program, as Process.Freeze does, and returns the moment just before.
func (p *Program) Freeze() (at time.Duration) {
	at = mono.Now()
	if p.host.scene.sabotaged("kill-instead-of-freeze") {
		_, err := p.program.Kill()
		mustStage(err)
		return at
	}
	mustStage(p.program.Freeze())
	p.host.scene.lab.Note("%s: %s frozen", p.host, p.name)
	p.host.scene.sabotageFault(func(end *End) bool { return end.Program == p })
	return at
}

// Kill kills whatever holds the end's socket.
func (e *End) Kill() Death {
	if e.Program != nil {
		return e.Program.Kill()
	}
	return e.Process.Kill()
}

// Freeze stops whatever holds the end's socket.
func (e *End) Freeze() time.Duration {
	if e.Program != nil {
		return e.Program.Freeze()
	}
	return e.Process.Freeze()
}

// ConnectTo connects the process to a server that is a program.
func (p *Process) ConnectTo(ctx context.Context, server *Program) *Connection {
	ctx, cancel := context.WithTimeout(ctx, Soon)
	defer cancel()
	connected, err := p.process.Dial(ctx, netip.AddrPortFrom(p.host.Address(), clientPort), server.address)
	mustStage(err)
	client := p.newEnd(connected)
	p.host.scene.settle(ctx)
	return p.host.scene.between(ctx, client, server.newEnd(client.local))
}

// newEnd makes an end of a program's established socket.
func (p *Program) newEnd(remote netip.AddrPort) *End {
	end := &End{Host: p.host, Program: p, local: p.address, remote: remote}
	end.join()
	return end
}

// between makes a connection of two ends.
func (s *scene) between(ctx context.Context, client, server *End) *Connection {
	conn := &Connection{Client: client, Server: server}
	s.sabotageEstablished(ctx, conn)
	return conn
}
