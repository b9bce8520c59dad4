package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/mono"
)

// ProgramOptions say what program to start.
type ProgramOptions struct {
	Name string   // for error messages: "nginx"
	Path string   // the executable
	Args []string // without the program's own name
	Env  []string // all of the environment
	Dir  string   // empty: the caller's
}

// Program is a process that holds sockets of its own and does with them what it was written for: a
// web server, say. It is killed and frozen as a Process is, and watched by what it says on stdout and
// stderr; there is no control channel over which it could be told anything.
type Program struct {
	process *Process // whose control channel nobody serves: its end tells of the program's end

	mu    sync.Mutex
	lines []Line
	news  chan struct{} // closed and replaced by each line, closed for good at the end
	ended bool
}

// Line is a line that a program said, and when it was read here.
type Line struct {
	Text string
	At   time.Duration // monotonic
}

// StartProgram starts a program on the host of the calling thread; what Start says of threads holds
// here too.
func StartProgram(o ProgramOptions) (*Program, error) {
	run := command{path: o.Path, argv: append([]string{o.Name}, o.Args...), env: o.Env, dir: o.Dir}
	said, theirs, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: make a pipe for what it says: %w", o.Name, err)
	}
	run.output = int(theirs.Fd())
	p := newOwn(o.Name)
	err = p.spawn(run)
	theirs.Close()
	if err != nil {
		said.Close()
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	go p.receive()
	program := &Program{process: &Process{o.Name, p}, news: make(chan struct{})}
	go program.listen(said)
	return program, nil
}

// listen collects lines until the program's end.
func (p *Program) listen(said *os.File) {
	defer said.Close()
	scanner := bufio.NewScanner(said)
	for scanner.Scan() {
		line := Line{Text: scanner.Text(), At: mono.Now()}
		p.mu.Lock()
		p.lines = append(p.lines, line)
		close(p.news)
		p.news = make(chan struct{})
		p.mu.Unlock()
	}
	p.mu.Lock()
	p.ended = true
	close(p.news)
	p.mu.Unlock()
}

// Lines is what the program has said so far.
func (p *Program) Lines() []Line {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Line(nil), p.lines...)
}

// Await returns the first line that fits, one that was said already or the next to come.
func (p *Program) Await(ctx context.Context, fits func(Line) bool) (Line, error) {
	for seen := 0; ; {
		p.mu.Lock()
		lines, news, ended := p.lines, p.news, p.ended
		p.mu.Unlock()
		for ; seen < len(lines); seen++ {
			if fits(lines[seen]) {
				return lines[seen], nil
			}
		}
		if ended {
			return Line{}, fmt.Errorf("%w: %s; it said: %s", ErrDead, p.process.name, p.said())
		}
		select {
		case <-news:
		case <-ctx.Done():
			return Line{}, fmt.Errorf("%s has not said so: %w", p.process.name, context.Cause(ctx))
		}
	}
}

func (p *Program) said() string {
	var texts []string
	for _, line := range p.Lines() {
		texts = append(texts, line.String())
	}
	return strings.Join(texts, " | ")
}

// Kill sends SIGKILL and waits for the end, as Process.Kill does.
func (p *Program) Kill() (Death, error) { return p.process.Kill() }

// Freeze stops the program with SIGSTOP, as Process.Freeze does.
func (p *Program) Freeze() error { return p.process.Freeze() }

// Stop ends the program for teardown. It may be called again.
func (p *Program) Stop() error { return p.process.Stop() }

// PID is the process ID in the caller's PID namespace.
func (p *Program) PID() int { return p.process.PID() }

// ErrNotInstalled is FindProgram's for a program that is not there.
var ErrNotInstalled = errors.New("is not installed")

// FindProgram is the path of an executable: on PATH, or where Debian keeps what PATH of an ordinary
// user leaves out.
func FindProgram(name string) (string, error) {
	folders := append(strings.Split(os.Getenv("PATH"), ":"), "/usr/sbin", "/usr/local/sbin", "/sbin")
	for _, folder := range folders {
		path := folder + "/" + name
		if folder != "" && unix.Access(path, unix.X_OK) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s %w", name, ErrNotInstalled)
}
