package ladder

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/halfopen/halfopen/harness/wire"
)

// longestSilence is the longest time without an event that is drawn without a Gap.
const longestSilence = 100 * time.Millisecond

// quoted is how many columns of a payload are shown.
const quoted = 20

// From makes a recording's diagram. Its title is the recording's comment.
func From(r *wire.Recording) *Diagram {
	b := builder{recording: r, pairs: map[[2]netip.AddrPort]int{}, start: start(r)}
	b.findLanes()
	b.findPairs()
	for i := range r.Segments {
		b.segment(&r.Segments[i])
	}
	for _, e := range r.ICMP {
		b.icmp(e)
	}
	for _, d := range r.Datagrams {
		b.datagram(d)
	}
	for _, n := range r.Notes {
		b.note(n)
	}
	// What has equal times keeps the order above. A note has microseconds, as its comment has.
	slices.SortStableFunc(b.rows, func(a, b Row) int { return cmp.Compare(a.At, b.At) })
	d := &Diagram{Title: r.Comment, Lanes: b.lanes, Pairs: b.named, Rows: fold(b.separate(), b.lanes)}
	d.Rows = silences(d.Rows)
	return d
}

// start is the time that the axis counts from.
func start(r *wire.Recording) time.Duration {
	switch {
	case len(r.Segments) > 0:
		return r.Segments[0].At
	case len(r.Datagrams) > 0:
		return r.Datagrams[0].At
	case len(r.ICMP) > 0:
		return r.ICMP[0].At
	}
	return 0
}

type builder struct {
	recording *wire.Recording
	start     time.Duration
	lanes     []Lane
	pairs     map[[2]netip.AddrPort]int // conversations, by both orders of their ends
	named     []string
	rows      []Row
}

// findLanes makes a lane for each host that does anything, and puts routers in the middle.
func (b *builder) findLanes() {
	r := b.recording
	seen := map[string]string{}
	for i := range r.Segments {
		s := &r.Segments[i]
		if _, known := seen[s.From]; !known && !slices.Contains(r.Routers, s.From) && s.From != wire.Switch {
			seen[s.From] = s.Src.String()
		}
		to := r.Owner(s.Reached().Addr())
		if _, known := seen[to]; !known && to != "" && !slices.Contains(r.Routers, to) {
			seen[to] = s.Reached().String()
		}
	}
	for _, d := range r.Datagrams {
		if _, known := seen[d.From]; !known {
			seen[d.From] = d.Src.String()
		}
	}
	var hosts, routers []Lane
	busy := 0
	for _, name := range r.Hosts {
		if !slices.Contains(r.Routers, name) && (seen[name] != "" || b.told(name)) {
			busy++
		}
	}
	for _, name := range r.Hosts {
		if slices.Contains(r.Routers, name) {
			routers = append(routers, Lane{Name: name})
		} else if busy < 2 || seen[name] != "" || b.told(name) {
			hosts = append(hosts, Lane{Name: name, Address: seen[name]})
		}
	}
	if len(hosts) == 0 {
		b.lanes = routers
		return
	}
	b.lanes = append(append(hosts[:1:1], routers...), hosts[1:]...)
}

// told says whether a note is about a host, or an ICMP error from it.
func (b *builder) told(host string) bool {
	return slices.ContainsFunc(b.recording.Notes, func(n wire.Note) bool { return strings.HasPrefix(n.Text, host+": ") }) ||
		slices.ContainsFunc(b.recording.ICMP, func(e wire.ICMPError) bool { return e.From == host })
}

func (b *builder) lane(host string) int {
	return slices.IndexFunc(b.lanes, func(l Lane) bool { return l.Name == host })
}

// findPairs gives each conversation its number. The two that a NAT makes of one are one.
func (b *builder) findPairs() {
	name := func(a netip.AddrPort) string {
		return strings.TrimSpace(b.recording.Owner(a.Addr()) + " " + a.String())
	}
	for i := range b.recording.Segments {
		s := &b.recording.Segments[i]
		n, known := b.pairs[[2]netip.AddrPort{s.Src, s.Dst}]
		if !known {
			n = len(b.named)
			b.named = append(b.named, name(s.Src)+", "+name(s.Dst))
			b.pair(s.Src, s.Dst, n)
		}
		if s.Translated() {
			if _, known := b.pairs[[2]netip.AddrPort{s.OutSrc, s.OutDst}]; !known {
				b.pair(s.OutSrc, s.OutDst, n)
			}
		}
	}
}

func (b *builder) pair(src, dst netip.AddrPort, n int) {
	b.pairs[[2]netip.AddrPort{src, dst}], b.pairs[[2]netip.AddrPort{dst, src}] = n, n
}

func (b *builder) letter(src, dst netip.AddrPort) string {
	if len(b.named) < 2 {
		return ""
	}
	return letterOf(b.pairs[[2]netip.AddrPort{src, dst}])
}

// letterOf is A to Z, then A2.
func letterOf(n int) string {
	letter := string(rune('A' + n%26))
	if n >= 26 {
		letter += strconv.Itoa(n/26 + 1)
	}
	return letter
}

func (b *builder) add(at time.Duration, row Row) {
	row.At = at - b.start
	b.rows = append(b.rows, row)
}

func (b *builder) segment(s *wire.Segment) {
	a := &Arrow{
		Look: lookOf(s.Kind, s.Flags), Name: s.Kind.String(), Numbers: numbers(s), Again: s.Kind.IsRetransmission(),
		Pair: b.letter(s.Src, s.Dst), Lost: !s.Delivered, At: -1, From: b.lane(s.From), To: b.destination(s),
	}
	if s.Copy > 1 && a.Again {
		a.Name += " " + strconv.Itoa(s.Copy)
	}
	if s.Kind == wire.KindUnknown {
		a.Name = "segment"
	}
	if s.Len > 0 {
		a.Payload = quote(s.Payload)
	}
	if a.From < 0 {
		a.Forged, a.Name = true, "forged "+a.Name
		a.From = b.lane(b.recording.Owner(s.Src.Addr()))
	}
	fate := ""
	switch {
	case s.Delivered && s.Translated():
		a.Extra = fmt.Sprintf("sent on as %v", s.OutSrc)
		if s.OutSrc == s.Src {
			a.Extra = fmt.Sprintf("sent on to %v", s.OutDst)
		}
		fate = fmt.Sprintf(", sent on by the %s as %v > %v", s.Router, s.OutSrc, s.OutDst)
	case !s.Delivered && s.Router != "":
		a.At = b.lane(s.Router)
		fate = ", dropped by the " + s.Router
	case !s.Delivered:
		fate = ", not delivered"
	}
	ack := ""
	if s.Flags.Has(wire.FlagACK) {
		ack = fmt.Sprintf(" ack %d", s.RelAck)
	}
	a.Detail = fmt.Sprintf("%s #%d %v > %v %s: %v seq %d%s len %d win %d%s", wire.RelativeTime(s.At, b.start), s.Number, s.Src, s.Dst, a.Name, s.Flags, s.RelSeq, ack, s.Len, s.Window, fate)
	a.From, a.To = b.ends(a.From, a.To)
	b.add(s.At, Row{Arrow: a, Rule: strconv.Itoa(s.Connection)}) // separate makes rules of these
}

// destination is the lane a segment was for: where its address was not heard, whoever else its
// conversation is with.
func (b *builder) destination(s *wire.Segment) int {
	if s.DeliveredTo != "" {
		return b.lane(s.DeliveredTo)
	}
	return b.lane(b.recording.Owner(s.Reached().Addr()))
}

// ends are two different lanes, whatever is not known of them.
func (b *builder) ends(from, to int) (int, int) {
	if from < 0 {
		from = b.other(to)
	}
	if to < 0 || to == from {
		to = b.other(from)
	}
	return from, to
}

// other is the lane of a host that is not the one given, best of one that has sent nothing, because its
// address is not known then.
func (b *builder) other(lane int) int {
	found := -1
	for i := len(b.lanes) - 1; i >= 0; i-- {
		router := slices.Contains(b.recording.Routers, b.lanes[i].Name)
		if i != lane && !router && (found < 0 || b.lanes[i].Address == "") {
			found = i
		}
	}
	return max(found, 0)
}

func lookOf(kind wire.Kind, flags wire.Flags) Look {
	switch {
	case kind == wire.KindRST:
		return LookRST
	case flags.Has(wire.FlagSYN):
		return LookSYN
	case kind.IsProbe():
		return LookProbe
	case flags.Has(wire.FlagFIN):
		return LookFIN
	case kind.IsPureACK():
		return LookACK
	}
	return LookData
}

func numbers(s *wire.Segment) string {
	text := fmt.Sprintf("%v seq %d", s.Flags, s.RelSeq)
	if s.Flags.Has(wire.FlagACK) {
		text += fmt.Sprintf(" ack %d", s.RelAck)
	}
	if s.Len > 0 {
		text += fmt.Sprintf(" len %d", s.Len)
	}
	if s.Window == 0 && s.Kind != wire.KindRST {
		text += " win 0"
	}
	return text
}

// quote shows the beginning of a payload, escaped so that it stays on its line and within quoted columns.
func quote(payload []byte) string {
	shown := payload[:min(len(payload), quoted)]
	for len(shown) > 0 {
		text := strconv.Quote(string(shown))
		whole := len(shown) == len(payload)
		if utf8.RuneCountInString(text) <= quoted+2 && (whole || utf8.RuneStart(payload[len(shown)])) {
			if !whole {
				text += "…"
			}
			return text
		}
		shown = shown[:len(shown)-1]
	}
	return ""
}

func (b *builder) icmp(e wire.ICMPError) {
	a := &Arrow{Look: LookICMP, Name: e.Text, At: -1, Lost: !e.Delivered, From: b.lane(e.From), To: b.lane(b.recording.Owner(e.Src.Addr()))}
	if len(b.named) > 1 {
		a.Pair = b.letter(e.Src, e.Dst)
	}
	if a.From < 0 {
		a.Forged, a.From = true, b.lane(b.recording.Owner(e.Dst.Addr()))
	}
	a.Numbers = fmt.Sprintf("from %v", e.Reporter)
	a.Detail = fmt.Sprintf("%s #%d %s from %v about %v > %v", wire.RelativeTime(e.At, b.start), e.Number, e.Text, e.Reporter, e.Src, e.Dst)
	a.From, a.To = b.ends(a.From, a.To)
	b.add(e.At, Row{Arrow: a})
}

func (b *builder) datagram(d wire.Datagram) {
	a := &Arrow{Look: LookUDP, Name: "UDP", At: -1, Lost: !d.Delivered, From: b.lane(d.From), To: b.lane(b.recording.Owner(d.Dst.Addr()))}
	a.Numbers = fmt.Sprintf("%v > %v", d.Src, d.Dst)
	a.Detail = fmt.Sprintf("%s UDP %v > %v", wire.RelativeTime(d.At, b.start), d.Src, d.Dst)
	a.From, a.To = b.ends(a.From, a.To)
	b.add(d.At, Row{Arrow: a})
}

func (b *builder) note(n wire.Note) {
	text := strings.Join(strings.FieldsFunc(n.Text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	note := &Note{Lane: -1, Text: text}
	for i, lane := range b.lanes {
		if rest, is := strings.CutPrefix(text, lane.Name+": "); is {
			note.Lane, note.Text = i, rest
		}
	}
	note.Sort = sortOf(note.Text)
	b.add(n.At, Row{Note: note})
}

// faultWords are how notes of the lab and the stage say that something is broken, or whole again.
func faultWords() []string {
	return []string{
		"power off", "up again", "kernel panic", "reset button", "orderly restart", "hangs", "goes on", "plugged", "link set", "killed", "frozen", "thawed", "exited", "child exits",
		"blackhole", "swallows", "is deleted", "has expired", "forgotten", "forged", "SOCK_DESTROY",
		"removed", "restored", "address ", "of before reaches", "ICMP", "firewall",
	}
}

func sortOf(text string) Sort {
	switch {
	case strings.Contains(text, " -> "):
		return SortState
	case strings.Contains(text, "(2)"):
		return SortCall
	}
	for _, word := range faultWords() {
		if strings.Contains(text, word) {
			return SortFault
		}
	}
	return SortOther
}

// separate puts a rule before each further connection of a conversation. The rows' own rules carry the
// connection's number until here.
func (b *builder) separate() []Row {
	latest := map[string]int{}
	var out []Row
	for _, row := range b.rows {
		n, _ := strconv.Atoi(row.Rule)
		row.Rule = ""
		if row.Arrow != nil && n > latest[row.Arrow.Pair] {
			if latest[row.Arrow.Pair] > 0 {
				out = append(out, Row{At: row.At, Rule: strings.TrimSpace(fmt.Sprintf("connection %d %s", n, row.Arrow.Pair))})
			}
			latest[row.Arrow.Pair] = n
		}
		out = append(out, row)
	}
	return out
}

// silences puts a gap wherever nothing happens for long.
func silences(rows []Row) []Row {
	var out []Row
	for i, row := range rows {
		if i > 0 {
			end := rows[i-1].At
			if f := rows[i-1].Fold; f != nil {
				end += f.Length
			}
			if length := row.At - end; length >= longestSilence {
				out = append(out, Row{At: end, Gap: &Gap{length}})
			}
		}
		out = append(out, row)
	}
	return out
}
