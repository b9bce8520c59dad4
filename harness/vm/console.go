package vm

import (
	"bufio"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// lastWords is how many of the console's lines are kept for whoever asks what happened.
const lastWords = 30

// complaints are the lines with which a kernel says that something is wrong with it, in the order
// in which they are looked for.
// Compiled by whoever reads a console: the specs' own processes, which are the same program, do not.
var complaints = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(strings.Join([]string{
		`Kernel panic - not syncing`, `\bBUG: `, `\bOops: `, `general protection fault`, `kernel BUG at`,
		`\bWARNING: CPU: `, `\bWARNING: .* at `, `blocked for more than \d+ seconds`, `rcu: INFO: .*stall`, `rcu_\w+ kthread .*starved`,
		`soft lockup`, `unregister_netdevice: waiting`, `Out of memory: `, `page allocation failure`, `double fault`, `invalid opcode`,
	}, "|"))
})

// console keeps what a guest's serial console said.
type console struct {
	mu       sync.Mutex
	last     []string
	panicked bool
	memory   bool
}

// read takes lines until the console is closed, and tells each, and whether the kernel complains on it.
func (c *console) read(from io.Reader, tell func(line string, trouble bool)) {
	lines := bufio.NewReaderSize(from, 1<<16)
	for {
		line, err := lines.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			tell(line, c.take(line))
		}
		if err != nil {
			return
		}
	}
}

func (c *console) take(line string) (trouble bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last = append(c.last, line); len(c.last) > lastWords {
		c.last = c.last[1:]
	}
	if !complaints().MatchString(line) {
		return false
	}
	c.panicked = c.panicked || strings.Contains(line, "Kernel panic")
	c.memory = c.memory || strings.Contains(line, "Out of memory") || strings.Contains(line, "deadlocked on memory")
	return true
}

// said is what was kept: the last lines, and of the complaints what decides how the guest ended.
func (c *console) said() (last []string, panicked, memory bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.last), c.panicked, c.memory
}
