package wire

import (
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// longestComment keeps a comment below the 65535 bytes an option of a pcapng block can hold;
// gopacket writes a longer one as a broken block.
const longestComment = 60000

// noHost names the interface of a file without frames; routerDescription describes a router's.
const (
	noHost            = "none"
	routerDescription = "a router's ports"
)

// Meta is what a pcapng file says of itself.
type Meta struct {
	Comment     string // the section header's: the text of the claim
	Application string // what wrote it
}

// WritePcapng writes what was captured so far as a pcapng file. There is one interface for each
// host, named after it, and each frame once, on the interface of the host that sent it (forged
// segments on one named "switch"), so that Wireshark does not take the copy at the other port for a retransmission. What a router sends on
// is not there a second time either; where it translates addresses, a comment gives the new ones. A lost segment has a
// comment that says so. Each note is a comment on the first packet at or after it, and the notes
// after the last packet are comments on that.
func (c *Capture) WritePcapng(w io.Writer, meta Meta) error {
	c.mu.Lock()
	frames, notes := c.frames, append([]Note(nil), c.notes...)
	names := append([]string(nil), c.names...)
	fates := map[int]string{}
	for i := range c.segments {
		if fate := c.segments[i].fate(); fate != "" {
			fates[c.segments[i].Number] = fate
		}
	}
	forged := false
	sent := make([]Frame, 0, len(frames)/2)
	for _, frame := range frames {
		if frame.Number == 0 {
			continue
		}
		if frame.Direction == Leaving {
			frame.Port = Switch
			forged = true
		}
		if frame.isUDP() && frame.Direction == Entering && !frame.Delivered {
			fates[frame.Number] = notDelivered
		}
		sent = append(sent, frame)
	}
	c.mu.Unlock()
	if forged {
		names = append(names, Switch)
	}

	if err := c.writePcapng(w, meta, names, sent, notes, fates); err != nil {
		return fmt.Errorf("the capture could not be written: %w", err)
	}
	return nil
}

func (c *Capture) writePcapng(w io.Writer, meta Meta, names []string, frames []Frame, notes []Note, fates map[int]string) error {
	comments := comments(frames, notes, fates)
	section := pcapgo.NgSectionInfo{
		Hardware: pcapgo.DefaultNgWriterOptions.SectionInfo.Hardware, OS: "linux",
		Application: meta.Application, Comment: shorten(meta.Comment),
	}
	for _, text := range comments[0] { // nothing crossed for these to stand at
		section.Comment = shorten(section.Comment + "\n" + text)
	}
	if len(names) == 0 {
		names = []string{noHost} // a section needs an interface
	}
	interfaces := map[string]int{}
	var out *pcapgo.NgWriter
	for i, name := range names {
		port := pcapgo.NgInterface{Name: name, LinkType: layers.LinkTypeEthernet, TimestampResolution: 9}
		if c.isRouter(name) {
			port.Description = routerDescription
		}
		var err error
		if i == 0 {
			out, err = pcapgo.NewNgWriterInterface(w, port, pcapgo.NgWriterOptions{SectionInfo: section})
		} else {
			_, err = out.AddInterface(port)
		}
		if err != nil {
			return err
		}
		interfaces[name] = i
	}
	for _, frame := range frames {
		info := gopacket.CaptureInfo{
			Timestamp:     time.Unix(0, int64(frame.At+c.realOffset)),
			CaptureLength: len(frame.Data), Length: max(frame.Length, len(frame.Data)),
			InterfaceIndex: interfaces[frame.Port],
		}
		if err := out.WritePacketWithOptions(info, frame.Data, pcapgo.NgPacketOptions{Comments: comments[frame.Number]}); err != nil {
			return err
		}
	}
	return out.Flush()
}

// comments gives each frame its comments, by number; those of number 0 have no frame.
func comments(frames []Frame, notes []Note, fates map[int]string) map[int][]string {
	out := map[int][]string{}
	start := time.Duration(0)
	if len(frames) > 0 {
		start = frames[0].At
	} else if len(notes) > 0 {
		start = notes[0].At
	}
	next := 0
	for _, note := range notes {
		for next < len(frames)-1 && frames[next].At < note.At {
			next++
		}
		number := 0
		if len(frames) > 0 {
			number = frames[next].Number
		}
		out[number] = append(out[number], shorten(RelativeTime(note.At, start)+"  "+note.Text))
	}
	for _, frame := range frames {
		if fate := fates[frame.Number]; fate != "" {
			out[frame.Number] = append(out[frame.Number], fate)
		}
	}
	return out
}

func shorten(text string) string {
	if len(text) <= longestComment {
		return text
	}
	cut := longestComment
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + " ..."
}
