package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/halfopen/halfopen/harness/image"
)

type kernelsCommand struct {
	List kernelsList `cmd:"" default:"withargs" help:"List the table of kernels with what is cached and what is gone."`
	Pull kernelsPull `cmd:"" help:"Fill the cache."`
}

type kernelsList struct {
	Cache string `placeholder:"DIR" type:"path" help:"The folder of the images."`
}

// Run prints the table, then what else is in the cache.
func (c *kernelsList) Run() error {
	table, err := image.Table()
	if err != nil {
		return err
	}
	cached, err := image.Cached(image.Options{Cache: c.Cache})
	if err != nil {
		return err
	}
	for _, series := range table {
		at := slices.IndexFunc(cached, func(i image.Image) bool { return i.Name == series.Name() })
		switch {
		case at >= 0:
			fmt.Printf("%-13s cached  %s\n", series.Name(), describe(cached[at]))
			cached = slices.Delete(cached, at, at+1)
		case series.Gone != "":
			fmt.Printf("%-13s gone    %s\n", series.Name(), series.Gone)
		default:
			fmt.Printf("%-13s -       in %s\n", series.Name(), strings.Join(series.Suites, ", "))
		}
	}
	for _, other := range cached {
		fmt.Printf("%-13s cached  %s\n", other.Name, describe(other))
	}
	return nil
}

// describe says in a line what an image is and where it comes from.
func describe(i image.Image) string {
	from := i.Origin.Path
	if i.Origin.Package != "" {
		from = strings.Join(strings.Fields(i.Origin.Package+" "+i.Origin.Version+" from "+i.Origin.Suite), " ")
	}
	return fmt.Sprintf("%-28s HZ %-4d %4d MB  %s, %s", i.Release, i.HZ, i.Bytes>>20, from, filepath.Dir(i.TookFrom))
}

type kernelsPull struct {
	Kernels []string `arg:"" optional:"" name:"k" help:"Kernels by name (debian:6.12, or just 6.12); all of the table that are not gone if none is named."`
	Mirror  string   `placeholder:"URL" help:"The archive; apt's own if not given."`
	Cache   string   `placeholder:"DIR" type:"path" help:"The folder of the images."`
	Refresh bool     `help:"Look for newer packages of what is cached."`
}

// Run pulls as many kernels at once as there are processors: unpacking takes as long as fetching.
// One that cannot be had does not stop the others.
func (c *kernelsPull) Run(ctx context.Context) error {
	names, err := kernelNames(c.Kernels)
	if err != nil {
		return err
	}
	b := newBoard(os.Stdout, len(names))
	failures := make([]error, len(names))
	free := make(chan struct{}, runtime.NumCPU())
	var pulls sync.WaitGroup
	for row, name := range names {
		pulls.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			if failures[row] = context.Cause(ctx); failures[row] != nil {
				return
			}
			began := time.Now()
			steps := pullSteps{board: b, row: row}
			got, err := image.Pull(ctx, name, image.Options{Mirror: c.Mirror, Cache: c.Cache, Refresh: c.Refresh, Progress: steps.tell})
			b.set(row, "")
			if failures[row] = err; err == nil {
				b.print("%-13s %s (%.1f s)", name, describe(got), time.Since(began).Seconds())
			}
		})
	}
	pulls.Wait()
	b.close()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(failures...)
}

// kernelNames understands kernels' names as the commands take them, all of the table that are not
// gone if there are none; a bare series is Debian's. Each must mean something, and once only.
func kernelNames(wanted []string) ([]string, error) {
	table, err := image.Table()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, series := range table {
		if len(wanted) == 0 && series.Gone == "" {
			names = append(names, series.Name())
		}
	}
	for _, name := range wanted {
		for _, series := range table {
			if name == series.Series {
				name = series.Name()
			}
		}
		if _, err := image.Parse(name); err != nil {
			return nil, err
		}
		if slices.Contains(names, name) {
			return nil, fmt.Errorf("the kernel %s is named twice", name)
		}
		names = append(names, name)
	}
	return names, nil
}

// pullSteps shows how far a pull is: a bar in a row of a terminal's board, a line for each download
// where there is no terminal.
type pullSteps struct {
	board *board
	row   int
	said  string
}

func (s *pullSteps) tell(p image.Progress) {
	doing := string(p.Step) + " " + p.What
	if p.Step == image.StepWait {
		doing = "wait for another process that makes it"
	}
	if doing != s.said && !s.board.tty && p.Step != image.StepIndex && p.Step != image.StepUnpack {
		s.board.print("%-13s %s", p.Image, doing)
	}
	s.said = doing
	s.board.set(s.row, fmt.Sprintf("%-13s %s  %s", p.Image, bar(p.Done, p.Total), doing))
}

// bar is how far something is, as text of a constant width.
func bar(done, total int64) string {
	const width = 20
	if total <= 0 {
		return fmt.Sprintf("[%s] %4d MB        ", strings.Repeat(" ", width), done>>20)
	}
	full := int(min(done, total) * width / total)
	return fmt.Sprintf("[%s%s] %4d of %4d MB", strings.Repeat("=", full), strings.Repeat(" ", width-full), done>>20, total>>20)
}
