package guest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

// machine is a system that notes what PID 1 asks of it.
type machine struct {
	asked   []string
	plan    Plan
	refuses map[string]error
	out     bytes.Buffer
	closed  bool
}

func (m *machine) ask(what string) error {
	m.asked = append(m.asked, what)
	return m.refuses[what]
}

func (m *machine) ReadFile(path string) ([]byte, error) {
	if err := m.ask("read " + path); err != nil {
		return nil, err
	}
	return json.Marshal(m.plan)
}
func (m *machine) WriteFile(path, value string) error { return m.ask("write " + value + " to " + path) }
func (m *machine) Mount(fstype, target string) error {
	return m.ask("mount " + fstype + " on " + target)
}
func (m *machine) LoadModule(path string) error          { return m.ask("load " + path) }
func (m *machine) LinkUp(name string) error              { return m.ask("bring up " + name) }
func (m *machine) SeedRandom(seed []byte) error          { return m.ask("seed") }
func (m *machine) Threads() ([]string, error)            { return []string{"1", "40"}, m.ask("list threads") }
func (m *machine) OpenMessages() (io.WriteCloser, error) { return m, m.ask("open messages") }
func (m *machine) AwaitJob() ([]byte, error)             { return []byte("later"), m.ask("await a job") }
func (m *machine) Restart() error                        { return m.ask("restart") }
func (m *machine) Write(b []byte) (int, error)           { return m.out.Write(b) }
func (m *machine) Close() error                          { m.closed = true; return nil }

// said is what came out of the machine.
func (m *machine) said(g *WithT) (kinds string, payloads [][]byte) {
	for {
		kind, payload, err := Read(&m.out)
		if errors.Is(err, io.EOF) {
			return kinds, payloads
		}
		g.Expect(err).NotTo(HaveOccurred())
		kinds += string(rune(kind))
		payloads = append(payloads, payload)
	}
}

func TestPID1PreparesTheMachineAndDoesTheJob(t *testing.T) {
	g := NewWithT(t)
	m := &machine{plan: Plan{Modules: []string{"/modules/000-veth.ko", "/modules/001-bridge.ko"}, Job: []byte("job")}}
	err := live(m, func(job []byte, send func([]byte) error) int {
		g.Expect(string(job)).To(Equal("job"))
		g.Expect(m.asked).To(Equal([]string{
			"mount proc on /proc", "mount sysfs on /sys", "mount devtmpfs on /dev", "read /plan.json",
			"load /modules/000-veth.ko", "load /modules/001-bridge.ko", "seed", "bring up lo", "open messages",
		}))
		g.Expect(send([]byte("result"))).To(Succeed())
		return 3
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(m.closed).To(BeTrue())
	kinds, payloads := m.said(g)
	g.Expect(kinds).To(Equal("USE"))
	g.Expect(string(payloads[1])).To(Equal("result"))
	var ending Ending
	g.Expect(json.Unmarshal(payloads[2], &ending)).To(Succeed())
	g.Expect(ending.Code).To(Equal(3))
	g.Expect(ending.Trouble).To(BeEmpty())
}

func TestTheJobOfAMachineThatStopsForItIsThereWhenItGoesOn(t *testing.T) {
	g := NewWithT(t)
	m := &machine{plan: Plan{Modules: []string{"/modules/000-veth.ko"}, Await: true}}
	g.Expect(live(m, func(job []byte, _ func([]byte) error) int {
		g.Expect(string(job)).To(Equal("later"))
		return 0
	})).To(Succeed())
	g.Expect(m.asked[len(m.asked)-2:]).To(Equal([]string{"open messages", "await a job"}), "all else is ready before it stops")
}

func TestAMachineThatCannotStopForItsJobSaysSo(t *testing.T) {
	g := NewWithT(t)
	m := &machine{plan: Plan{Await: true}, refuses: map[string]error{"await a job": unix.ENODEV}}
	g.Expect(live(m, func([]byte, func([]byte) error) int { t.Error("the job was begun"); return 0 })).To(Succeed())
	kinds, payloads := m.said(g)
	g.Expect(kinds).To(Equal("E"))
	var ending Ending
	g.Expect(json.Unmarshal(payloads[0], &ending)).To(Succeed())
	g.Expect(ending.Jobless).To(BeTrue())
	g.Expect(ending.Trouble).To(Equal("cannot wait for a job: no such device"))
}

func TestOnTheVirtualClockTheMachineIsQuiet(t *testing.T) {
	g := NewWithT(t)
	gone, server := "write 0 to /proc/sys/vm/dirty_writeback_centisecs", "write 0 to /sys/kernel/debug/sched/fair_server/cpu0/runtime"
	m := &machine{plan: Plan{Virtual: true}, refuses: map[string]error{gone: os.ErrNotExist, server: os.ErrNotExist}}
	g.Expect(live(m, func([]byte, func([]byte) error) int { return 0 })).To(Succeed())
	g.Expect(m.asked).To(ContainElements("write 86400 to /proc/sys/vm/stat_interval", gone, server))
	g.Expect(m.asked).To(ContainElements("write 5000000 to /proc/1/timerslack_ns", "write 5000000 to /proc/40/timerslack_ns"))
	kinds, _ := m.said(g)
	g.Expect(kinds).To(Equal("UE"), "a sysctl that this kernel does not have is no trouble, nor is a server")

	m = &machine{plan: Plan{Virtual: true}, refuses: map[string]error{"mount debugfs on /sys/kernel/debug": unix.ENODEV}}
	g.Expect(live(m, func([]byte, func([]byte) error) int { return 0 })).To(Succeed())
	g.Expect(m.asked).NotTo(ContainElement(server))
	kinds, _ = m.said(g)
	g.Expect(kinds).To(Equal("UE"), "nor is a kernel without debugfs")
}

func TestWhatWasMountedAlreadyIsNoTrouble(t *testing.T) {
	g := NewWithT(t)
	m := &machine{refuses: map[string]error{"mount devtmpfs on /dev": unix.EBUSY}}
	g.Expect(live(m, func([]byte, func([]byte) error) int { return 0 })).To(Succeed())
	kinds, _ := m.said(g)
	g.Expect(kinds).To(Equal("UE"))
}

func TestAModuleThatDoesNotLoadIsTold(t *testing.T) {
	g := NewWithT(t)
	m := &machine{plan: Plan{Modules: []string{"/modules/000-veth.ko"}}, refuses: map[string]error{"load /modules/000-veth.ko": unix.ENOEXEC}}
	g.Expect(live(m, func([]byte, func([]byte) error) int { t.Error("the job was begun"); return 0 })).To(Succeed())
	kinds, payloads := m.said(g)
	g.Expect(kinds).To(Equal("E"))
	var ending Ending
	g.Expect(json.Unmarshal(payloads[0], &ending)).To(Succeed())
	g.Expect(ending.Trouble).To(ContainSubstring("cannot load the module 000-veth.ko: exec format error"))
}

func TestWithoutAWayOutTheReasonIsLeftForTheConsole(t *testing.T) {
	g := NewWithT(t)
	m := &machine{plan: Plan{Modules: []string{"/modules/000-virtio.ko"}}, refuses: map[string]error{
		"load /modules/000-virtio.ko": unix.ENOEXEC, "open messages": unix.ENOENT,
	}}
	err := live(m, func([]byte, func([]byte) error) int { t.Error("the job was begun"); return 0 })
	g.Expect(err).To(MatchError(unix.ENOENT))
	g.Expect(err).To(MatchError(ContainSubstring("virtio.ko")))
}
