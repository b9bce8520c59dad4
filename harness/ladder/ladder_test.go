package ladder_test

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/ladder"
	"github.com/halfopen/halfopen/harness/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// read reads a capture of a real run.
func read(t testing.TB, name string) *wire.Recording {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name+".pcapng"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	recording, err := wire.ReadPcapng(file)
	if err != nil {
		t.Fatal(err)
	}
	return recording
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not as it was; with -update it is written anew. Now:\n%s", name, got)
	}
}

func TestALadderInATerminal(t *testing.T) {
	for _, name := range []string{"four-tuple", "nat", "window", "abort"} {
		for _, columns := range []int{100, 70, 40} {
			text := ladder.From(read(t, name)).Text(columns, false)
			golden(t, fmt.Sprintf("%s-%d.txt", name, columns), text)
			for _, line := range strings.Split(text, "\n") {
				if wide := utf8.RuneCountInString(line); wide > columns {
					t.Errorf("%s: %d columns where there are %d: %s", name, wide, columns, line)
				}
			}
		}
	}
}

func TestColoursOnlyWhereAsked(t *testing.T) {
	g := NewWithT(t)
	d := ladder.From(read(t, "nat"))
	g.Expect(d.Text(100, false)).NotTo(ContainSubstring("\x1b"))
	plain := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(d.Text(100, true), "")
	g.Expect(plain).To(Equal(d.Text(100, false)))
}

func TestAnSVGIsWellFormedAndAlwaysTheSame(t *testing.T) {
	g := NewWithT(t)
	for _, name := range []string{"four-tuple", "nat", "window", "abort"} {
		first := ladder.From(read(t, name))
		again := ladder.From(read(t, name))
		g.Expect(first.SVG()).To(Equal(again.SVG()))
		wellFormed(t, string(first.SVG()))
		wellFormed(t, first.Inline())
		g.Expect(first.Inline()).NotTo(ContainSubstring("<style"), "a style in a page is every element's")
	}
	both := ladder.Stack([]*ladder.Diagram{ladder.From(read(t, "nat")), ladder.From(read(t, "window"))})
	wellFormed(t, string(both))
	golden(t, "nat.svg", string(ladder.From(read(t, "nat")).SVG()))
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	}
}

// Every text has a line of its own, so that no two can lie on one another but by their sides.
func TestLabelsDoNotOverlap(t *testing.T) {
	element := regexp.MustCompile(`<text class="([^"]*)" x="([\d.-]+)" y="([\d.-]+)">(.*?)</text>`)
	tag := regexp.MustCompile(`<[^>]*>`)
	for _, name := range []string{"four-tuple", "nat", "window", "abort"} {
		type box struct{ left, right, y float64 }
		var boxes []box
		for _, m := range element.FindAllStringSubmatch(ladder.From(read(t, name)).Inline(), -1) {
			x, _ := strconv.ParseFloat(m[2], 64)
			y, _ := strconv.ParseFloat(m[3], 64)
			wide := 6.6 * float64(utf8.RuneCountInString(html.UnescapeString(tag.ReplaceAllString(m[4], ""))))
			left := x
			switch class := " " + m[1] + " "; {
			case strings.Contains(class, " m ") || strings.Contains(class, " gt ") || strings.Contains(class, " head ") || strings.Contains(class, " small "):
				left = x - wide/2
			case strings.Contains(class, " e ") || strings.Contains(class, " t "):
				left = x - wide
			}
			now := box{left, left + wide, y}
			if left < 0 {
				t.Errorf("%s: %q begins left of the picture", name, m[4])
			}
			for _, b := range boxes {
				if dy := now.y - b.y; dy > -10 && dy < 10 && now.left < b.right && b.left < now.right {
					t.Errorf("%s: %q at %.0f lies on another text at %.0f", name, m[4], y, b.y)
				}
			}
			boxes = append(boxes, now)
		}
	}
}

// exchange is a recording of many segments and their acknowledgements.
func exchange(pairs int, kinds ...wire.Kind) *wire.Recording {
	client, server := netip.MustParseAddrPort("192.0.2.1:50000"), netip.MustParseAddrPort("192.0.2.2:7000")
	r := &wire.Recording{Comment: "many", Hosts: []string{"client", "server"}}
	for i := range pairs {
		for j, kind := range kinds {
			s := wire.Segment{
				Number: len(r.Segments) + 1, At: time.Duration(i*10+j) * time.Millisecond, From: "client", Src: client, Dst: server,
				Flags: wire.FlagACK, Kind: kind, Connection: 1, Delivered: true, DeliveredTo: "server", RelSeq: uint32(i),
			}
			if kind == wire.KindACK {
				s.From, s.DeliveredTo, s.Src, s.Dst = "server", "client", server, client
			}
			r.Segments = append(r.Segments, s)
		}
	}
	return r
}

func TestALongRunIsFolded(t *testing.T) {
	g := NewWithT(t)
	many := ladder.From(exchange(200, wire.KindData, wire.KindACK))
	g.Expect(len(many.Rows)).To(BeNumerically("<", 16))
	g.Expect(many.Text(100, false)).To(ContainSubstring("394 more: data client → server, ACK server → client, in 1.96 s"))

	few := ladder.From(exchange(4, wire.KindData, wire.KindACK))
	g.Expect(few.Rows).To(HaveLen(8), "a short run is worth its rows")

	backoff := ladder.From(exchange(16, wire.KindRetransmission))
	g.Expect(backoff.Rows).To(HaveLen(16), "retransmissions are what the diagram is read for")

	wave := ladder.From(exchange(100, wire.KindACK, wire.KindACK, wire.KindACK, wire.KindRetransmission, wire.KindRetransmission))
	g.Expect(len(wave.Rows)).To(BeNumerically("<", 20), "but not in waves of them, each like the last")
	g.Expect(wave.Text(140, false)).To(ContainSubstring("485 more: 3 × ACK server → client, 2 × retransmission client → server"))
}

// Two kernels' drawings are equal but for their times, so that a page that holds both is not much larger.
func TestSilencesThatHardlyDifferAreAsHigh(t *testing.T) {
	g := NewWithT(t)
	at := func(silence time.Duration) string {
		r := exchange(2, wire.KindData)
		r.Segments[1].At = silence
		return ladder.From(r).Inline()
	}
	longer := strings.NewReplacer("938.800", "938.500", "938.8", "938.5", "939 s", "938 s").Replace(at(938800 * time.Millisecond))
	g.Expect(longer).To(Equal(at(938500 * time.Millisecond)))
}

func TestSilenceIsFoldedAndMeasured(t *testing.T) {
	g := NewWithT(t)
	r := exchange(2, wire.KindData)
	r.Segments[1].At = 938 * time.Second
	d := ladder.From(r)
	g.Expect(d.Rows).To(HaveLen(3))
	g.Expect(d.Rows[1].Gap.Length).To(Equal(938 * time.Second))
	g.Expect(d.Text(100, false)).To(ContainSubstring("⋮ 938 s"))
	g.Expect(d.Inline()).To(ContainSubstring("⋮ 938 s"))
}

// Payloads come from processes, notes from programs: neither may become markup or leave its line.
func TestWhatASpecSaysIsText(t *testing.T) {
	g := NewWithT(t)
	r := exchange(1, wire.KindData)
	r.Segments[0].Payload, r.Segments[0].Len = []byte("<script>\x1b[31m\x00"), 15
	r.Notes = []wire.Note{{At: 1, Text: "client: \x1b[2J</svg><script>alert(1)</script>\nnext"}, {At: 2, Text: "nobody in particular"}}
	d := ladder.From(r)
	for _, svg := range []string{string(d.SVG()), d.Inline()} {
		wellFormed(t, svg)
		g.Expect(svg).NotTo(ContainSubstring("<script"))
	}
	g.Expect(d.Text(100, false)).NotTo(ContainSubstring("\x1b"))
	g.Expect(d.Text(30, false)).NotTo(ContainSubstring("\x1b"))
}

func TestAHostThatDoesNothingHasNoLane(t *testing.T) {
	g := NewWithT(t)
	r := exchange(1, wire.KindData, wire.KindACK)
	r.Hosts = append(r.Hosts, "bystander", "witness")
	r.Notes = []wire.Note{{Text: "witness: cable unplugged"}}
	d := ladder.From(r)
	g.Expect(d.Lanes).To(HaveLen(3))
	g.Expect(d.Lanes[2]).To(Equal(ladder.Lane{Name: "witness"}))

	// One that is never heard is who the segments are for.
	silent := exchange(2, wire.KindSYN)
	silent.Hosts = []string{"client", "server", "bystander"}
	silent.Notes = []wire.Note{{Text: "server: power off"}}
	for i := range silent.Segments {
		silent.Segments[i].Delivered, silent.Segments[i].DeliveredTo = false, ""
	}
	d = ladder.From(silent)
	g.Expect(d.Lanes).To(HaveLen(2))
	g.Expect(d.Rows[0].Arrow.To).To(Equal(1))
}

func TestNothingToDraw(t *testing.T) {
	g := NewWithT(t)
	d := ladder.From(&wire.Recording{})
	g.Expect(d.Text(80, false)).To(Equal("(nothing was captured)\n"))
	wellFormed(t, string(d.SVG()))
	notes := ladder.From(&wire.Recording{Hosts: []string{"client"}, Notes: []wire.Note{{At: 5, Text: "client: power off"}}})
	g.Expect(notes.Text(80, false)).To(ContainSubstring("power off"))
	wellFormed(t, string(notes.SVG()))
}

func BenchmarkDraw(b *testing.B) {
	for b.Loop() {
		_ = ladder.From(read(b, "window")).Inline()
	}
}
