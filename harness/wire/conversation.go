package wire

import (
	"net/netip"
	"time"
)

// Conversation is what crossed the switch between two address:port pairs, as far as it was
// captured when Capture.Conversation was called. Where a router in between translates addresses, the
// pair is as one side knows it: what that side has sent, and what was delivered to it.
type Conversation struct {
	Client, Server netip.AddrPort

	segments []Segment
	icmp     []ICMPError
	notes    []Note
}

// Conversation is the conversation between two address:port pairs, so far. It holds several
// connections where the pair was opened again.
func (c *Capture) Conversation(client, server netip.AddrPort) *Conversation {
	c.mu.Lock()
	defer c.mu.Unlock()
	conversation := &Conversation{Client: client, Server: server, notes: append([]Note(nil), c.notes...)}
	key := pairOf(client, server)
	for _, s := range c.segments {
		if s.crosses(key) {
			conversation.segments = append(conversation.segments, s)
		}
	}
	for _, e := range c.icmp {
		if pairOf(e.Src, e.Dst) == key {
			conversation.icmp = append(conversation.icmp, e)
		}
	}
	return conversation
}

// Conversations are all conversations captured so far, by their first segment; the client is
// whoever sent that. Behind a router that translates addresses there is another, as that side knows it, where
// something of it was never delivered to this one.
func (c *Capture) Conversations() []*Conversation {
	var all []*Conversation
	told := map[int]bool{} // segments, by number
	for _, s := range c.Segments() {
		if told[s.Number] {
			continue
		}
		conversation := c.Conversation(s.Src, s.Dst)
		for _, of := range conversation.segments {
			told[of.Number] = true
		}
		all = append(all, conversation)
	}
	return all
}

// Segments are the conversation's segments, both directions, in order.
func (c *Conversation) Segments() []Segment { return append([]Segment(nil), c.segments...) }

// ICMPErrors are the ICMP errors about the conversation's segments, in order.
func (c *Conversation) ICMPErrors() []ICMPError { return append([]ICMPError(nil), c.icmp...) }

// Connections are the conversation's connections: a new one begins with a SYN that is no copy.
func (c *Conversation) Connections() []*Conversation {
	var all []*Conversation
	for _, s := range c.segments {
		if len(all) == 0 || all[len(all)-1].segments[0].Connection != s.Connection {
			all = append(all, &Conversation{Client: c.Client, Server: c.Server})
		}
		last := all[len(all)-1]
		last.segments = append(last.segments, s)
	}
	for i, connection := range all {
		begins := func(at time.Duration) bool { return i > 0 && at < connection.segments[0].At }
		ends := func(at time.Duration) bool { return i < len(all)-1 && at >= all[i+1].segments[0].At }
		for _, e := range c.icmp {
			if !begins(e.At) && !ends(e.At) {
				connection.icmp = append(connection.icmp, e)
			}
		}
		for _, n := range c.notes {
			if !begins(n.At) && !ends(n.At) {
				connection.notes = append(connection.notes, n)
			}
		}
	}
	return all
}

// Since is the conversation from a monotonic time on.
func (c *Conversation) Since(at time.Duration) *Conversation {
	since := &Conversation{Client: c.Client, Server: c.Server}
	for _, s := range c.segments {
		if s.At >= at {
			since.segments = append(since.segments, s)
		}
	}
	for _, e := range c.icmp {
		if e.At >= at {
			since.icmp = append(since.icmp, e)
		}
	}
	for _, n := range c.notes {
		if n.At >= at {
			since.notes = append(since.notes, n)
		}
	}
	return since
}

// String is the conversation's ladder, with ICMP errors and notes in between.
func (c *Conversation) String() string { return c.Ladder(nil) }

// Ladder is the conversation's ladder with remarks behind some of its segments, by number.
func (c *Conversation) Ladder(remarks map[int]string) string {
	return ladder(c.segments, c.icmp, c.notes, remarks)
}

// Ladder draws segments as text, one line each, with remarks behind some of them, by number.
// Times are relative to the first segment.
func Ladder(segments []Segment, remarks map[int]string) string {
	return ladder(segments, nil, nil, remarks)
}
