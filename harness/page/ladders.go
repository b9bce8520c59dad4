package page

import (
	"path/filepath"
	"runtime"
	"sync"

	"github.com/halfopen/halfopen/harness/ladder"
	"github.com/halfopen/halfopen/harness/report"
)

// drawAll draws every spec's ladder, "" where there is no capture that can be read: the page is worth
// having without it, and the spec's own result says what became of its capture.
func drawAll(folder string, specs []report.SpecResult) []string {
	drawings := make([]string, len(specs))
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				// The name comes from a spec, in a guest perhaps: no path of it may lead out of the folder.
				if diagram, err := ladder.Read(filepath.Join(folder, filepath.Base(specs[i].Pcapng))); err == nil {
					drawings[i] = diagram.Inline()
				}
			}
		})
	}
	for i, spec := range specs {
		if spec.Pcapng != "" {
			next <- i
		}
	}
	close(next)
	workers.Wait()
	return drawings
}
