package wire

import (
	"fmt"
	"sort"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"
)

// quoted is how many bytes of a payload a ladder shows.
const quoted = 24

// rung is one line of a ladder, not yet rendered; columns are separated by tabs.
type rung struct {
	at         time.Duration
	connection int // 0 but for segments
	text       string
}

// ladder merges segments, errors and notes by time; what has equal times keeps this order.
func ladder(segments []Segment, errors []ICMPError, notes []Note, remarks map[int]string) string {
	if len(segments) == 0 && len(errors) == 0 && len(notes) == 0 {
		return "(no segment)\n"
	}
	start := beginning(segments, errors, notes)
	hosts := hostsOf(segments)
	var rungs []rung
	for i := range segments {
		s := &segments[i]
		rungs = append(rungs, rung{s.At, s.Connection, segmentRung(s, hosts, remarks[s.Number])})
	}
	for _, e := range errors {
		undelivered := ""
		if !e.Delivered {
			undelivered = ", not delivered"
		}
		rungs = append(rungs, rung{e.At, 0, fmt.Sprintf("%s\t%s: %s about %v > %v%s", number(e.Number), e.From, e.Text, e.Src, e.Dst, undelivered)})
	}
	for _, n := range notes {
		rungs = append(rungs, rung{n.At, 0, "\t· " + strings.Join(strings.Fields(n.Text), " ")})
	}
	sort.SliceStable(rungs, func(i, j int) bool { return rungs[i].at < rungs[j].at })

	var out strings.Builder
	writeParties(&out, segments)
	table := tabwriter.NewWriter(&out, 0, 8, 2, ' ', 0)
	// A later connection is announced only where all segments are one conversation's.
	announce := len(parties(segments)) == 1
	latest := 0
	for _, r := range rungs {
		if announce && latest > 0 && r.connection > latest {
			fmt.Fprintf(table, "---- connection %d\n", r.connection)
		}
		latest = max(latest, r.connection)
		fmt.Fprintf(table, "%s\t%s\n", RelativeTime(r.at, start), r.text)
	}
	table.Flush()
	return trimLines(out.String())
}

func number(n int) string { return fmt.Sprintf("#%d", n) }

// RelativeTime writes a monotonic time relative to another as ladders and packet comments do:
// "+1.234567 s".
func RelativeTime(at, start time.Duration) string {
	return fmt.Sprintf("%+.6f s", (at - start).Seconds())
}

func beginning(segments []Segment, errors []ICMPError, notes []Note) time.Duration {
	switch {
	case len(segments) > 0:
		return segments[0].At
	case len(errors) > 0:
		return errors[0].At
	default:
		return notes[0].At
	}
}

// hostsOf names hosts by the addresses they sent from.
func hostsOf(segments []Segment) map[string]string {
	hosts := map[string]string{}
	for i := range segments {
		s := &segments[i]
		if s.DeliveredTo != "" && !s.Translated() {
			hosts[s.Dst.Addr().String()] = s.DeliveredTo
		}
	}
	for i := range segments {
		if segments[i].From != Switch && !segments[i].forged {
			hosts[segments[i].Src.Addr().String()] = segments[i].From
		}
	}
	return hosts
}

func parties(segments []Segment) map[pair]bool {
	all := map[pair]bool{}
	for i := range segments {
		all[pairOf(segments[i].Src, segments[i].Dst)] = true
	}
	return all
}

// writeParties says who the hosts are, once for each pair.
func writeParties(out *strings.Builder, segments []Segment) {
	hosts := hostsOf(segments)
	name := func(addr string) string {
		if host := hosts[addr]; host != "" {
			return host
		}
		return "?"
	}
	seen := map[pair]bool{}
	for i := range segments {
		s := &segments[i]
		if key := pairOf(s.Src, s.Dst); !seen[key] {
			seen[key] = true
			fmt.Fprintf(out, "%s %v, %s %v\n", name(s.Src.Addr().String()), s.Src, name(s.Dst.Addr().String()), s.Dst)
		}
	}
}

// segmentRung is one segment: number, hosts, flags, numbers, kind, payload, fate, remark.
func segmentRung(s *Segment, hosts map[string]string, remark string) string {
	to := hosts[s.Dst.Addr().String()]
	if to == "" {
		to = s.Dst.Addr().String()
	}
	arrow := "->"
	if !s.Delivered {
		arrow = "-x"
	}
	ack := ""
	if s.Flags.Has(FlagACK) {
		ack = fmt.Sprintf("ack %d", s.RelAck)
	}
	line := fmt.Sprintf("%s\t%s %s %s\t%v\tseq %d\t%s\tlen %d\twin %d\t%s", number(s.Number), s.From, arrow, to, s.Flags, s.RelSeq, ack, s.Len, s.Window, kindText(s))
	switch {
	case s.Translated():
		line += fmt.Sprintf(", sent on as %v > %v", s.OutSrc, s.OutDst)
	case s.Router != "" && !s.OutSrc.IsValid():
		line += ", dropped by " + s.Router
	case !s.Delivered:
		line += ", not delivered"
	}
	if remark != "" {
		line += "   <== " + remark
	}
	return line
}

func kindText(s *Segment) string {
	text := s.Kind.String()
	if s.Copy > 0 && s.Kind.IsRetransmission() {
		text += fmt.Sprintf(" %d", s.Copy)
	}
	if s.Len > 0 {
		text += " " + quote(s.Payload)
	}
	return text
}

// quote shows the beginning of a payload, escaped so that it stays on its line.
func quote(payload []byte) string {
	if len(payload) <= quoted {
		return fmt.Sprintf("%q", payload)
	}
	cut := quoted
	for cut > quoted-utf8.UTFMax && !utf8.RuneStart(payload[cut]) {
		cut--
	}
	return fmt.Sprintf("%q...", payload[:cut])
}

// trimLines drops the padding that tabwriter leaves at the ends of lines.
func trimLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}
