package wire

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// ErrNotRecording says that a file is no pcapng file of this package.
var ErrNotRecording = errors.New("not a capture that halfopen wrote")

// Recording is what a pcapng file of Capture.WritePcapng tells. Times count from the file's first frame.
type Recording struct {
	Comment   string   // Meta's, without the notes that follow it there
	Hosts     []string // in the order in which they joined the lab, routers among them
	Routers   []string
	Segments  []Segment
	ICMP      []ICMPError
	Datagrams []Datagram // UDP
	Notes     []Note

	addresses map[netip.Addr]string
}

// Owner is the host that was seen to send from an address, "" if none was.
func (r *Recording) Owner(address netip.Addr) string { return r.addresses[address] }

// String is the recording's ladder as text.
func (r *Recording) String() string { return ladder(r.Segments, r.ICMP, r.Notes, nil) }

// ReadPcapng reads what WritePcapng wrote. What a segment is to its connection is worked out again from
// the order of the frames in the file, where one that was delivered is so before the next is sent.
// Errors wrap ErrNotRecording where the file has another shape.
func ReadPcapng(from io.Reader) (*Recording, error) {
	in, err := pcapgo.NewNgReader(from, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotRecording, err)
	}
	p := player{
		recording: &Recording{addresses: map[netip.Addr]string{}},
		decoder:   newDecoder(), walker: newWalker(),
	}
	section := strings.Split(in.SectionInfo().Comment, "\n")
	for _, line := range section {
		if note, is := parseNote(line); is {
			p.recording.Notes = append(p.recording.Notes, note)
			continue
		}
		p.recording.Comment = strings.TrimPrefix(p.recording.Comment+"\n"+line, "\n")
	}
	for {
		data, info, options, err := in.ReadPacketDataWithOptions()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: frame %d: %w", ErrNotRecording, p.number+1, err)
		}
		port, err := in.Interface(info.InterfaceIndex)
		if err != nil {
			return nil, fmt.Errorf("%w: frame %d: %w", ErrNotRecording, p.number+1, err)
		}
		if p.number == 0 {
			p.start = info.Timestamp
		}
		p.frame(info.Timestamp.Sub(p.start), port, data, options.Comments)
	}
	for i := range in.NInterfaces() {
		port, err := in.Interface(i)
		if err != nil {
			return nil, fmt.Errorf("%w: interface %d: %w", ErrNotRecording, i, err)
		}
		if port.Name != Switch && port.Name != noHost && !slices.Contains(p.recording.Hosts, port.Name) {
			p.recording.Hosts = append(p.recording.Hosts, port.Name)
		}
		if port.Description == routerDescription && !slices.Contains(p.recording.Routers, port.Name) {
			p.recording.Routers = append(p.recording.Routers, port.Name)
		}
	}
	p.finish()
	return p.recording, nil
}

// player takes the frames of a file in their order.
type player struct {
	recording *Recording
	decoder   *decoder
	walker    *walker
	start     time.Time
	number    int
}

func (p *player) frame(at time.Duration, port pcapgo.NgInterface, data []byte, comments []string) {
	p.number++
	r := p.recording
	told := fate{delivered: true}
	for _, comment := range comments {
		if note, is := parseNote(comment); is {
			r.Notes = append(r.Notes, note)
			continue
		}
		told = parseFate(comment)
	}
	if told.router != "" && !slices.Contains(p.recording.Routers, told.router) {
		p.recording.Routers = append(p.recording.Routers, told.router)
	}
	d := p.decoder.decode(data)
	forged := port.Name == Switch || port.Description == routerDescription
	if source, known := p.sender(d); known && port.Name != Switch && (!forged || d.segment == nil) {
		r.addresses[source] = port.Name
	}
	switch {
	case d.segment != nil:
		s := *d.segment
		s.Number, s.At, s.From, s.forged = p.number, at, port.Name, forged
		if forged {
			p.walker.forged(&s)
		} else {
			p.walker.sent(&s)
		}
		s.Router, s.OutSrc, s.OutDst, s.Delivered = told.router, told.src, told.dst, told.delivered
		if s.Translated() {
			p.walker.translated(&s)
		}
		if s.Delivered && (!forged || s.Kind == KindRST) {
			p.walker.delivered(&s)
		}
		r.Segments = append(r.Segments, s)
	case d.icmp != nil:
		e := *d.icmp
		e.Number, e.At, e.From, e.Delivered = p.number, at, port.Name, true
		r.ICMP = append(r.ICMP, e)
	default:
		frame := Frame{Number: p.number, At: at, Port: port.Name, Direction: Entering, Kind: d.kind, Data: data}
		if datagram, is := frame.Datagram(); is {
			datagram.Delivered = told.delivered
			r.Datagrams = append(r.Datagrams, datagram)
		}
	}
}

// sender is the address that a frame's sender has, by IP or by ARP.
func (p *player) sender(d decoded) (netip.Addr, bool) {
	if slices.Contains(p.decoder.decoded, layers.LayerTypeARP) {
		address, ok := netip.AddrFromSlice(p.decoder.arp.SourceProtAddress)
		return address, ok && !address.IsUnspecified()
	}
	_, source, _ := p.decoder.network()
	return source, source.IsValid() && !source.IsUnspecified()
}

// finish says where segments were delivered to, which is known once every host has been heard.
func (p *player) finish() {
	for i := range p.recording.Segments {
		s := &p.recording.Segments[i]
		if s.Delivered {
			s.DeliveredTo = p.recording.addresses[s.Reached().Addr()]
		}
	}
	slices.SortStableFunc(p.recording.Notes, func(a, b Note) int { return int(a.At - b.At) })
}

// parseNote reads "+1.234567 s  text", as comments writes a note.
func parseNote(comment string) (Note, bool) {
	seconds, text, found := strings.Cut(comment, " s  ")
	if !found || seconds == "" || seconds[0] != '+' && seconds[0] != '-' {
		return Note{}, false
	}
	at, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		return Note{}, false
	}
	return Note{At: time.Duration(math.Round(at*1e6)) * time.Microsecond, Text: text}, true
}

// fate is what became of a segment.
type fate struct {
	delivered bool
	router    string
	src, dst  netip.AddrPort
}

// parseFate reads what Segment.fate wrote.
func parseFate(comment string) fate {
	if rest, is := strings.CutPrefix(comment, "sent on by the "); is {
		router, addresses, _ := strings.Cut(rest, " as ")
		src, dst, _ := strings.Cut(addresses, " > ")
		f := fate{delivered: true, router: router}
		f.src, _ = netip.ParseAddrPort(src)
		f.dst, _ = netip.ParseAddrPort(dst)
		return f
	}
	rest, lost := strings.CutPrefix(comment, "not delivered: ")
	if rest, dropped := strings.CutSuffix(rest, " did not send it on"); dropped {
		return fate{router: strings.TrimPrefix(rest, "the ")}
	}
	return fate{delivered: !lost}
}
