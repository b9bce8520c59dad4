package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/halfopen/halfopen/harness/claim"
)

// spokenPhrases is how many observations a claim's line says; all of them are in results.json.
const spokenPhrases = 4

// phrases says what the specs of a claim observed, in the registry's order. Several cases give a
// range ("detected after 1.60 to 1.63 s") or every name that was seen.
func phrases(specs []SpecResult) string {
	var said []string
	for _, q := range Quantities() {
		if q.Phrase == "" {
			continue
		}
		values := valuesOf(q.Name, specs)
		if len(values) == 0 {
			continue
		}
		said = append(said, phraseOf(q, values))
		if len(said) == spokenPhrases {
			break
		}
	}
	return strings.Join(said, ", ")
}

// spoken writes the values of one quantity as one: "1.63 s", "1.60 to 1.63 s", "EPIPE or ECONNRESET".
func spoken(unit string, values []any) string {
	var low, high float64
	var names []string
	for i, value := range values {
		switch v := value.(type) {
		case int:
			low, high = bounds(i, low, high, float64(v))
		case float64:
			low, high = bounds(i, low, high, v)
		case string:
			if !slices.Contains(names, v) {
				names = append(names, v)
			}
		}
	}
	if unit == Name {
		return strings.Join(names, " or ")
	}
	say := sayCount
	switch unit {
	case Seconds:
		say = saySeconds
	case Bytes:
		say = func(n float64) string { return sayCount(n) + " B" }
	}
	if say(low) == say(high) {
		return say(low)
	}
	from, to := say(low), say(high)
	if number, unitOf, _ := strings.Cut(from, " "); unitOf != "" && strings.HasSuffix(to, " "+unitOf) {
		from = number
	}
	return from + " to " + to
}

func bounds(i int, low, high, v float64) (float64, float64) {
	if i == 0 {
		return v, v
	}
	return min(low, v), max(high, v)
}

func sayCount(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// saySeconds gives three digits or so: 1.20 ms, 204 ms, 1.63 s, 13.5 s, 938 s.
func saySeconds(s float64) string {
	switch {
	case s == 0:
		return "0 s"
	case math.Abs(s) < 0.00995:
		return strconv.FormatFloat(s*1e3, 'f', 2, 64) + " ms"
	case math.Abs(s) < 0.9995:
		return strconv.FormatFloat(s*1e3, 'f', 0, 64) + " ms"
	case math.Abs(s) < 9.995:
		return strconv.FormatFloat(s, 'f', 2, 64) + " s"
	case math.Abs(s) < 999.5 && s != math.Trunc(s):
		return strconv.FormatFloat(s, 'f', 1, 64) + " s"
	}
	return strconv.FormatFloat(s, 'f', 0, 64) + " s"
}

// details explains a spec that did not pass: the claim and where it is written, expected and seen,
// the socket, the packets, the capture, and the command that runs it again.
func details(cl claim.Claim, spec SpecResult) []string {
	var lines []string
	row := func(label, text string) {
		for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
			if text == "" {
				return
			}
			if i > 0 {
				label = ""
			}
			lines = append(lines, strings.TrimRight(fmt.Sprintf("%-8s %s", label, line), " "))
		}
	}
	row("claim", cl.Text)
	if cl.Level != "" {
		row("source", cl.Level+": "+strings.Join(cl.Sources, ", "))
	}
	row("case", spec.Case)
	row("seen", strings.TrimSpace(spec.Reason))
	row("state", spec.State)
	row("packets", strings.Join(Tail(spec.Packets), "\n"))
	row("capture", spec.Pcapng)
	row("spec", spec.Location)
	row("again", spec.Rerun)
	return lines
}

// oneLine folds a text of several lines into one.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// cut shortens a line to what fits into width columns, counting a rune as a column.
func cut(line string, width int) string {
	if width <= 0 || utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:max(width-1, 0)]) + "…"
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// Explain says all there is to know of a spec that did not pass, in several lines.
func Explain(cl claim.Claim, spec SpecResult) string {
	return strings.Join(details(cl, spec), "\n")
}
