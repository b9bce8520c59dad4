package wire

import (
	"fmt"
	"time"
)

// AddRouterPort registers the interface of one of a router's ports: a segment that leaves by it is on
// its way and not delivered yet, and one that enters by it is, most often, a segment sent on.
func (c *Capture) AddRouterPort(name string, ifindex int) {
	c.AddPort(name, ifindex)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.routers[name] = true
}

func (c *Capture) isRouter(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.routers[name]
}

// addRouted keeps a segment that a router sent. The one that it sends on is the segment that came
// to it, which it has not been counted delivered for; every other one is the router's own, in the name
// of the host it seems to come from: a RST by which it rejects.
func (c *Capture) addRouted(at time.Duration, port string, data []byte, length int, d decoded) {
	here := entry{frame: len(c.frames), icmp: -1}
	frame := Frame{At: at, Port: port, Direction: Entering, Kind: d.kind, Data: data, Length: length}
	if sent, passing := c.passing[d.passage]; passing {
		delete(c.passing, d.passage)
		segment := &c.segments[sent]
		segment.OutSrc, segment.OutDst = d.segment.Src, d.segment.Dst
		if segment.Translated() {
			c.walker.translated(segment)
		}
		here.segment = sent
	} else {
		c.numbered++
		frame.Number = c.numbered
		here.segment = len(c.segments)
		segment := *d.segment
		segment.Number, segment.At, segment.From, segment.forged = c.numbered, at, port, true
		c.walker.forged(&segment)
		c.segments = append(c.segments, segment)
		c.log = append(c.log, here.segment)
	}
	c.frames = append(c.frames, frame)
	c.entered[d.identity] = here
}

// notDelivered is the fate of what no router has to answer for.
const notDelivered = "not delivered: did not leave the switch towards its host"

// fate is what a packet comment says of a segment, nothing if it reached its host as it was sent.
func (s *Segment) fate() string {
	switch {
	case s.Delivered && s.Translated():
		return fmt.Sprintf("sent on by the %s as %v > %v", s.Router, s.OutSrc, s.OutDst)
	case s.Delivered:
		return ""
	case s.Router != "" && !s.OutSrc.IsValid():
		return fmt.Sprintf("not delivered: the %s did not send it on", s.Router)
	default:
		return notDelivered
	}
}
