package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/report"
)

func TestKernelsAreStartedLongestFirst(t *testing.T) {
	g := NewWithT(t)
	names := []string{"old", "short", "new", "long", "missing"}
	cached := map[string]bool{"old": true, "short": true, "new": true, "long": true}
	order := longestFirst(names, map[string]float64{"short": 10, "long": 90}, cached)
	var said []string
	for _, i := range order {
		said = append(said, names[i])
	}
	g.Expect(said).To(Equal([]string{"missing", "new", "old", "long", "short"}))
}

func TestEachKernelHasAFolderOfItsOwn(t *testing.T) {
	NewWithT(t).Expect(foldersOf([]string{
		"debian:6.12", "installed", "/boot/vmlinuz-6.1,/lib/modules/6.1", "./x/vmlinuz-6.1", "/debs/..", "debian-6.12",
	})).To(Equal([]string{"debian-6.12", "installed", "vmlinuz-6.1", "vmlinuz-6.1-2", "kernel", "debian-6.12-2"}))
}

func TestKernelsByName(t *testing.T) {
	g := NewWithT(t)
	all, err := kernelNames(nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(all).To(ContainElements("debian:5.10", "debian:7.3"))
	g.Expect(all).NotTo(ContainElement("debian:7.0"), "it is gone")
	g.Expect(kernelNames([]string{"7.3", "debian:5.10", "debian:7.0"})).To(Equal([]string{"debian:7.3", "debian:5.10", "debian:7.0"}))
	_, err = kernelNames([]string{"6.12", "debian:6.12"})
	g.Expect(err).To(MatchError("the kernel debian:6.12 is named twice"))
	_, err = kernelNames([]string{"debian:2.4"})
	g.Expect(err).To(MatchError(ContainSubstring("there is no kernel debian:2.4")))
}

// side is four kernels, two at once; what happens on each is said by prove.
func side(w io.Writer, prove proveKernel) *sideBySide {
	names := []string{"a", "b", "c", "d"}
	return &sideBySide{
		names: names, folders: foldersOf(names), order: []int{3, 2, 1, 0}, procs: 2, specs: 1, prove: prove,
		board: &board{w: w, rows: make([]string, len(names))},
	}
}

func decidedOn(release string) (report.Run, []report.SpecResult) {
	return report.Run{Kernel: report.Kernel{Release: release}, Complete: true},
		[]report.SpecResult{{Claim: "keepalive/off-by-default", Family: 4, Verdict: report.Pass}}
}

func TestOneKernelsFailureLeavesTheOthersAlone(t *testing.T) {
	g := NewWithT(t)
	var said strings.Builder
	var under, most atomic.Int32
	var mu sync.Mutex
	var begun []int
	meet := make(chan struct{})
	columns := side(&said, func(_ context.Context, i int, watch watchKernel) (report.Run, []report.SpecResult, error) {
		mu.Lock()
		begun = append(begun, i)
		mu.Unlock()
		if most.Store(max(most.Load(), under.Add(1))); i > 1 { // the first two wait for each other
			select {
			case meet <- struct{}{}:
			case <-meet:
			}
		}
		defer under.Add(-1)
		if i == 2 {
			return report.Run{}, nil, errors.New("the guest did not boot; its last words:\n  VFS: Unable to mount root")
		}
		run, specs := decidedOn("6.1")
		watch.Decided(specs[0])
		return run, specs, nil
	}).run(context.Background())

	g.Expect(begun[:2]).To(ConsistOf(2, 3), "the order is kept")
	g.Expect(most.Load()).To(BeNumerically("<=", 2))
	g.Expect(columns).To(HaveLen(4))
	for i, column := range columns {
		g.Expect(column.Name).To(Equal([]string{"a", "b", "c", "d"}[i]))
		g.Expect(column.Problem != "").To(Equal(i == 2), column.Problem)
	}
	g.Expect(said.String()).To(MatchRegexp(`(?m)^c +the guest did not boot$`))
	g.Expect(said.String()).To(MatchRegexp(`(?m)^a +6\.1 +1 specs`))
}

func TestAnInterruptKeepsWhatIsDecided(t *testing.T) {
	g := NewWithT(t)
	ctx, interrupt := context.WithCancel(context.Background())
	var both sync.WaitGroup
	both.Add(2)
	columns := side(io.Discard, func(ctx context.Context, i int, watch watchKernel) (report.Run, []report.SpecResult, error) {
		both.Done()
		both.Wait()
		interrupt()
		<-ctx.Done()
		run, specs := decidedOn("6.1")
		run.Complete = false
		return run, specs, context.Cause(ctx)
	}).run(ctx)
	g.Expect(columns[3].Specs).To(HaveLen(1))
	g.Expect(columns[3].Problem).To(Equal("interrupted after 1 of 1 specs"))
	g.Expect(columns[0].Problem).To(Equal("not begun when the run was interrupted"))
}

func TestABoardIsRedrawnInPlaceAndLeavesItsLines(t *testing.T) {
	g := NewWithT(t)
	var screen strings.Builder
	b := &board{w: &screen, tty: true, rows: make([]string, 3), size: func() (int, int) { return 12, 3 }}
	b.set(0, "first kernel boots")
	b.mu.Lock()
	b.rows[1], b.rows[2] = "second", "third"
	b.draw()
	b.mu.Unlock()
	b.print("done")
	b.close()
	g.Expect(screen.String()).To(Equal("\r\x1b[J" + "first kern…\n" +
		"\x1b[1A\r\x1b[J" + "first kern…\nsecond\n" + // as many as the screen can take back
		"\x1b[2A\r\x1b[J" + "done\n"))
}

func TestABarHasAConstantWidth(t *testing.T) {
	g := NewWithT(t)
	g.Expect(bar(5<<20, 10<<20)).To(Equal("[==========          ]    5 of   10 MB"))
	g.Expect(bar(20<<20, 10<<20)).To(HavePrefix("[====================]"))
	g.Expect(bar(1<<20, 0)).To(HaveLen(len(bar(1<<20, 2<<20))))
}
