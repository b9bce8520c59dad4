package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/halfopen/halfopen/harness/report"
)

// boardRedraw is the shortest time between two redraws of a board.
const boardRedraw = 100 * time.Millisecond

// board shows several things under way at once: on a terminal a row each, redrawn in place under
// the lines that stay; elsewhere only the lines that stay. It may be used by many goroutines.
type board struct {
	w     io.Writer
	tty   bool
	size  func() (width, height int)
	color bool

	mu      sync.Mutex
	rows    []string
	pending strings.Builder
	below   int // rows that stand on the terminal now
	drawn   time.Time
	redraw  *time.Timer
	closed  bool
}

func newBoard(f *os.File, rows int) *board {
	tty, width, color := report.Terminal(f)
	return &board{w: f, tty: tty, color: color, rows: make([]string, rows), size: func() (int, int) {
		_, height, err := term.GetSize(int(f.Fd()))
		if err != nil || height < 2 {
			height = 24
		}
		return width(), height
	}}
}

// width is that of the terminal; 0 if there is none.
func (b *board) width() int {
	if !b.tty {
		return 0
	}
	width, _ := b.size()
	return width
}

// set changes a row; an empty one is not shown.
func (b *board) set(row int, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows[row] = text
	b.show()
}

// print adds a line that stays.
func (b *board) print(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	line := fmt.Sprintf(format, args...) + "\n"
	if !b.tty {
		_, _ = io.WriteString(b.w, line)
		return
	}
	b.pending.WriteString(line)
	b.show()
}

// close takes the rows away. Nothing may be told to the board afterwards.
func (b *board) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.redraw != nil {
		b.redraw.Stop()
	}
	b.closed = true
	clear(b.rows)
	b.draw()
}

func (b *board) show() {
	if !b.tty || b.closed || b.redraw != nil {
		return
	}
	wait := boardRedraw - time.Since(b.drawn)
	if wait <= 0 {
		b.draw()
		return
	}
	b.redraw = time.AfterFunc(wait, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if !b.closed {
			b.draw()
		}
	})
}

// draw writes all in one go so that nothing flickers: back over the rows, the new lines, the rows.
func (b *board) draw() {
	b.redraw = nil
	if !b.tty {
		return
	}
	b.drawn = time.Now()
	width, height := b.size()
	var frame strings.Builder
	if b.below > 0 {
		fmt.Fprintf(&frame, "\x1b[%dA", b.below)
	}
	frame.WriteString("\r\x1b[J" + b.pending.String())
	b.pending.Reset()
	b.below = 0
	for _, row := range b.rows {
		// A row that wraps, or one too many for the screen, could not be taken back.
		if row == "" || b.below >= height-1 {
			continue
		}
		frame.WriteString(shorten(row, width-1) + "\n")
		b.below++
	}
	_, _ = io.WriteString(b.w, frame.String())
}

func shorten(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:max(width-1, 0)]) + "…"
}
