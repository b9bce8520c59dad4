// Package wrap breaks texts for a terminal.
package wrap

import (
	"strings"
	"unicode/utf8"
)

// Widest is how many columns read well; wider terminals get no wider lines.
const Widest = 100

// Width is a terminal's columns as far as they read well; 0 stands for a terminal of any width.
func Width(columns int) int {
	if columns <= 0 || columns > Widest {
		return Widest
	}
	return columns
}

// Hang breaks a text into lines of at most width columns, the first after head and the others under it. A
// word that is longer stands alone.
func Hang(head, text string, width int) []string {
	var lines []string
	line, indent := head, strings.Repeat(" ", utf8.RuneCountInString(head))
	started := false
	for _, word := range strings.Fields(text) {
		if started && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line, started = indent, false
		}
		if started {
			line += " "
		}
		line += word
		started = true
	}
	return append(lines, strings.TrimRight(line, " "))
}
