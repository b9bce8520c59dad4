package predict

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/halfopen/halfopen/harness/timing"
)

// tableWidth is what a table fits into, in columns.
const tableWidth = 100

// heading says what a state is, once for its rows.
func (s Settings) heading(state State) string {
	switch state {
	case Writing:
		return "The application writes, or has data in flight (from the write):"
	case Idle:
		text := fmt.Sprintf("It waits in read(2), SO_KEEPALIVE set, %d s + %d x %d s (from the last segment received):",
			seconds(s.KeepaliveTime), s.KeepaliveProbes, seconds(s.KeepaliveInterval))
		if s.UserTimeout != 0 {
			text = fmt.Sprintf("It waits in read(2), SO_KEEPALIVE set, %d s + n x %d s (from the last segment received):",
				seconds(s.KeepaliveTime), seconds(s.KeepaliveInterval))
		}
		return text
	case Unguarded:
		return "It waits in read(2), SO_KEEPALIVE not set:"
	case Connecting:
		return "It is in connect(2) (from the first SYN):"
	}
	return "It has called close(2), and its kernel holds the socket (from the FIN):"
}

// Describe says the settings, in three lines.
func (s Settings) Describe(hz int) string {
	keepalive := fmt.Sprintf("keepalive %d s + %d x %d s", seconds(s.KeepaliveTime), s.KeepaliveProbes, seconds(s.KeepaliveInterval))
	if !s.Keepalive {
		keepalive = "keepalive off"
	}
	user := "not set"
	if s.UserTimeout != 0 {
		user = fmt.Sprintf("%g s", s.UserTimeout.Seconds())
	}
	rtt := "round trip below 1 ms, 40 ms more with delayed ACKs"
	if s.RTT != 0 {
		rtt = "round trip " + s.RTT.String()
	}
	least, most := s.RTO(timing.Wheel{HZ: hz})
	return fmt.Sprintf("tcp_retries2 %d, %s, TCP_USER_TIMEOUT %s,\n"+
		"tcp_syn_retries %d (and %d linear), tcp_orphan_retries %d, tcp_fin_timeout %d, tcp_early_retrans %d,\n"+
		"RTO %d to %d ms (%s), limits %d ms and %d s",
		s.Retries2, keepalive, user, s.SynRetries, s.SynLinear, s.OrphanRetries, seconds(s.FinTimeout), s.EarlyRetrans,
		least.Milliseconds(), most.Milliseconds(), rtt, s.RTOMin.Milliseconds(), seconds(s.RTOMax))
}

// Table lays the rows out for a terminal, within 100 columns. With checks, one for each row, it has what was
// measured in the place of the mechanisms.
func Table(settings Settings, rows []Row, checks []Check) string {
	last := "by"
	if checks != nil {
		last = "measured"
	}
	var out strings.Builder
	line := func(number, fault, after, told, last string) {
		text := fmt.Sprintf("%2s %-36s %-19s %-13s %s", number, fault, after, told, last)
		out.WriteString(cut(strings.TrimRight(text, " ")) + "\n")
	}
	line("", "fault", "noticed after", "told", last)
	for i, row := range rows {
		if i == 0 || rows[i-1].State != row.State {
			out.WriteString("\n" + settings.heading(row.State) + "\n")
		}
		fault := row.Fault
		if row.From == fromReturn {
			fault += " (from its return)" // and not from what the heading says
		} else if row.From == "the window closing" && !strings.Contains(fault, ",") {
			fault += " (from then)"
		}
		last := row.By
		if checks != nil {
			last = checks[i].said(row)
		}
		told := row.Told
		if told == "" {
			told = "-"
		}
		line(strconv.Itoa(i+1), fault, row.after(), told, last)
	}
	return out.String()
}

// after is when a row is noticed.
func (r Row) after() string {
	switch {
	case r.Never:
		return "never"
	case r.Window.Floor == 0 && r.Window.Ceiling < 400*time.Millisecond:
		return "at once"
	case r.Window.Floor == 0:
		return "up to " + tidyCeiling(r.Window.Ceiling)
	}
	return span(r.Window)
}

// said is what a check says in a table.
func (c Check) said(row Row) string {
	measured := tidy(c.Measured)
	if row.Never {
		measured = "not in " + measured
	}
	if c.Measured == 0 {
		return string(c.Verdict)
	}
	return measured + ", " + string(c.Verdict)
}

// Reasons says of each row that is not agreed with why, and of one that was judged by another RTO than is
// predicted by which, a line each; nothing if there is none.
func Reasons(checks []Check) string {
	var out strings.Builder
	for i, check := range checks {
		if check.Verdict != Agrees {
			fmt.Fprintf(&out, "%2d %s: %s\n", i+1, check.Verdict, check.Reason)
		}
		if check.RTO != 0 {
			fmt.Fprintf(&out, "%2d is judged at an RTO of %d ms, which the lab's path led to\n", i+1, check.RTO.Milliseconds())
		}
	}
	return out.String()
}

// Proofs says which claims prove which rows, a claim once.
func Proofs(rows []Row) string {
	numbers := map[string][]string{}
	var order []string
	for i, row := range rows {
		for _, claim := range row.Claims {
			if !slices.Contains(order, claim) {
				order = append(order, claim)
			}
			numbers[claim] = append(numbers[claim], strconv.Itoa(i+1))
		}
	}
	var out strings.Builder
	out.WriteString("Proved by (`halfopen run CLAIM`):\n")
	for _, claim := range order {
		fmt.Fprintf(&out, "   %-44s %s\n", claim, strings.Join(numbers[claim], ", "))
	}
	return out.String()
}

// Text lays advice out for a terminal.
func Text(advice []Advice, within time.Duration) string {
	var out strings.Builder
	fmt.Fprintf(&out, "To notice within %s, at the latest:\n", tidy(within))
	for _, a := range advice {
		value := a.Value
		if value == "" {
			fmt.Fprintf(&out, "\n   %s: no value is small enough\n", a.Knob)
			continue
		}
		fmt.Fprintf(&out, "\n   %s = %s: %s\n", a.Knob, value, span(a.Window))
		fmt.Fprintf(&out, "      covers  %s\n      not     %s\n", a.Covers, a.Misses)
		if a.Note != "" {
			fmt.Fprintf(&out, "      but     %s\n", a.Note)
		}
	}
	out.WriteString("\nA writer whose own cable is out, or whose neighbour is gone, may be told one back-off later.\n" +
		"A frozen process is noticed by no kernel, as its own kernel keeps answering: that takes a heartbeat\n" +
		"of the application's (application/heartbeat-frozen).\n")
	return out.String()
}

func span(w timing.Window) string {
	floor, ceiling := tidyFloor(w.Floor), tidyCeiling(w.Ceiling)
	if floor == ceiling {
		return floor
	}
	number, unit, _ := strings.Cut(floor, " ")
	if !strings.HasSuffix(ceiling, " "+unit) {
		number = floor
	}
	return number + " to " + ceiling
}

// tidy is a time with as many digits as it is worth: 1.3 ms, 0.21 s, 13.5 s, 938.7 s.
func tidy(d time.Duration) string        { return rounded(d, math.Round) }
func tidyFloor(d time.Duration) string   { return rounded(d, math.Floor) }
func tidyCeiling(d time.Duration) string { return rounded(d, math.Ceil) }

func rounded(d time.Duration, round func(float64) float64) string {
	s, digits := d.Seconds(), 0
	if 0 < d && d < 100*time.Millisecond {
		return strconv.FormatFloat(round(s*1e4)/10, 'f', 1, 64) + " ms"
	}
	switch {
	case s < 10:
		digits = 2
	case s < 10000:
		digits = 1
	}
	scale := math.Pow(10, float64(digits))
	return strconv.FormatFloat(round(s*scale)/scale, 'f', digits, 64) + " s"
}

func cut(line string) string {
	if len([]rune(line)) <= tableWidth {
		return line
	}
	return string([]rune(line)[:tableWidth-1]) + "…"
}
