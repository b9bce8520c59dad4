package ladder

import (
	"fmt"
	"strings"
)

// How a run is folded: an exchange of up to longestPattern rows that is repeated so often that more
// than fewestFolded rows can be left out, with these many of its beginning and its end kept.
// Retransmissions and probes are what a diagram is mostly read for, so that more of them are kept,
// unless each of them comes with a whole exchange of more than shortPattern rows.
const (
	longestPattern = 12
	shortPattern   = 4
	fewestFolded   = 3
	keptFirst      = 2
	keptLast       = 1
	keptRetries    = 9 // of either end
)

// fold replaces the middle of every long run by a Fold.
func fold(rows []Row, lanes []Lane) []Row {
	signs := make([]string, len(rows))
	for i, row := range rows {
		signs[i] = sign(row)
	}
	var out []Row
	for i := 0; i < len(rows); {
		period, repeats := pattern(signs[i:])
		first, last := keptFirst, keptLast
		if period > 0 && period <= shortPattern && slow(rows[i:i+period]) {
			first, last = keptRetries, keptRetries
		}
		left := (repeats - first - last) * period
		if period == 0 || left < fewestFolded {
			out = append(out, rows[i])
			i++
			continue
		}
		from := i + first*period
		to := from + left
		out = append(out, rows[i:from]...)
		out = append(out, Row{At: rows[from].At, Fold: &Fold{
			Count: left, Length: rows[to-1].At - rows[from].At,
			Text: fmt.Sprintf("%d more: %s", left, describe(rows[from:from+period], lanes)),
		}})
		out = append(out, rows[to:to+last*period]...)
		i = to + last*period
	}
	return out
}

// sign is equal for rows that are steps of the same exchange; empty for what is never folded.
func sign(row Row) string {
	switch {
	case row.Arrow != nil:
		a := row.Arrow
		return fmt.Sprint(a.From, a.To, a.Look, a.Again, a.Lost, a.At, a.Pair)
	case row.Note != nil && row.Note.Sort == SortCall:
		call, _, _ := strings.Cut(row.Note.Text, " ")
		return fmt.Sprint(row.Note.Lane, call)
	}
	return ""
}

// pattern is the shortest pattern that the beginning repeats most rows with: its length, 0 if there
// is none, and how often it comes.
func pattern(signs []string) (period, repeats int) {
	for length := 1; length <= longestPattern; length++ {
		n := 0
		for n < len(signs) && signs[n] != "" && (n < length || signs[n] == signs[n-length]) {
			n++
		}
		if times := n / length; times > 1 && times*length > period*repeats {
			period, repeats = length, times
		}
	}
	return period, repeats
}

// slow tells whether an exchange is one of retransmissions or probes.
func slow(rows []Row) bool {
	for _, row := range rows {
		if a := row.Arrow; a != nil && (a.Again || a.Look == LookProbe || a.Lost) {
			return true
		}
	}
	return false
}

// describe says the steps of an exchange, those that come several times in a row once.
func describe(rows []Row, lanes []Lane) string {
	var steps []string
	for i := 0; i < len(rows); {
		said, times := step(rows[i], lanes), 1
		for i+times < len(rows) && step(rows[i+times], lanes) == said {
			times++
		}
		i += times
		if times > 1 {
			said = fmt.Sprintf("%d × %s", times, said)
		}
		steps = append(steps, said)
	}
	return strings.Join(steps, ", ")
}

func step(row Row, lanes []Lane) string {
	if a := row.Arrow; a != nil {
		return fmt.Sprintf("%s %s → %s", strings.TrimRight(a.Name, " 0123456789"), lanes[a.From].Name, lanes[a.To].Name)
	}
	call, _, _ := strings.Cut(row.Note.Text, " ")
	return call
}
