package wire

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/mono"
)

// receiveBuffer is asked for in bytes. Without CAP_NET_ADMIN over the machine the kernel grants
// at most net.core.rmem_max, and a small frame takes about 1 KB of it.
const receiveBuffer = 8 << 20

// ErrIncomplete says that frames crossed the switch without being captured, so that nothing
// can be said about what did not appear.
var ErrIncomplete = errors.New("the capture is incomplete")

// ErrClosed says that the capture has ended.
var ErrClosed = errors.New("the capture is closed")

// Capture records what crosses a switch. All methods may be called from any goroutine.
type Capture struct {
	file   *os.File
	socket syscall.RawConn
	marker markerSocket
	// realOffset turns monotonic times into the wall clock's for the pcapng file: one offset
	// for all, so that no step of the wall clock shows between two packets.
	realOffset time.Duration
	done       chan struct{} // closed when the reader has ended

	mu       sync.Mutex
	ports    map[int]string     // host by interface index
	names    []string           // hosts in the order of their first AddPort
	owners   map[[6]byte]string // host by MAC address, learned as the switch learns
	frames   []Frame
	segments []Segment
	icmp     []ICMPError
	notes    []Note
	entered  map[uint64]entry // the last entering frame of each identity
	routers  map[string]bool  // ports that are a router's
	passing  map[uint64]int   // the last segment of each passage that is at a router, as an index into segments
	numbered int              // frames with a Number
	walker   *walker
	log      []int          // indices into segments: at each one's entry, and again at its delivery
	synced   map[uint64]int // marker frames read back, by Sync call
	changed  chan struct{}  // closed, and replaced, when anything above has grown
	dropped  uint64
	closing  bool
	failure  error // why the reader ended
}

// entry says where an entering frame is kept; segment and icmp are -1 unless it is one.
type entry struct{ frame, segment, icmp int }

// Open starts to capture in the network namespace of the calling thread, which is the
// switch's. It needs CAP_NET_RAW and CAP_NET_ADMIN there: Sync's marker frames cross the
// namespace's lo, which Open brings up.
func Open() (*Capture, error) {
	fd, err := openSocket()
	if err != nil {
		return nil, fmt.Errorf("the switch's packets could not be captured: %w", err)
	}
	// A non-blocking descriptor makes os.File use the runtime's netpoller.
	file := os.NewFile(uintptr(fd), "capture")
	socket, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("the capture's socket could not be polled: %w", err)
	}
	marker, err := openMarkerSocket()
	if err != nil {
		file.Close()
		return nil, err
	}
	c := &Capture{
		file: file, socket: socket, marker: marker,
		realOffset: realOffset(),
		done:       make(chan struct{}),
		ports:      map[int]string{},
		owners:     map[[6]byte]string{},
		entered:    map[uint64]entry{},
		routers:    map[string]bool{},
		passing:    map[uint64]int{},
		walker:     newWalker(),
		synced:     map[uint64]int{},
		changed:    make(chan struct{}),
	}
	go c.read()
	return c, nil
}

// stamp opens a socket that is never used and never closed: while one wants its packets stamped, the kernel stamps
// all. The first to want it and the last to leave have the kernel rewrite its own code (netstamp_needed_key), and
// every processor stops for that.
var stamp = sync.OnceValue(func() error {
	done := make(chan error)
	go func() { // not on the caller's thread, whose namespace the socket would hold
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
		}
		done <- err
	}()
	return <-done
})

// openSocket makes the socket without a protocol, so that nothing is received before its
// options are set, and then binds it to every protocol on every interface.
func openSocket() (int, error) {
	if err := stamp(); err != nil {
		return -1, fmt.Errorf("SO_TIMESTAMPNS: %w", err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("packet socket: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("SO_TIMESTAMPNS: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer); err != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer); err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("SO_RCVBUF: %w", err)
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL)}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("bind: %w", err)
	}
	return fd, nil
}

func networkOrder(protocol uint16) uint16 { return protocol<<8 | protocol>>8 }

// realOffset is the largest of a few samples: being descheduled between the two clock reads
// of one makes it too small.
func realOffset() time.Duration {
	return max(mono.RealOffset(), mono.RealOffset(), mono.RealOffset())
}

// AddPort registers the interface of a host's port; frames of others are ignored. Call it again
// with the new index when a host's cable has been made anew.
func (c *Capture) AddPort(name string, ifindex int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ports[ifindex] = name
	for _, known := range c.names {
		if known == name {
			return
		}
	}
	c.names = append(c.names, name)
}

// Note records something that happened beside the wire at a monotonic time: a fault, a write,
// what a read returned. It shows in ladders and as a packet comment.
func (c *Capture) Note(at time.Duration, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := len(c.notes)
	for i > 0 && c.notes[i-1].At > at {
		i--
	}
	c.notes = append(c.notes, Note{})
	copy(c.notes[i+1:], c.notes[i:])
	c.notes[i] = Note{At: at, Text: text}
}

// Frames are all frames decoded so far, in the order in which they crossed the switch.
func (c *Capture) Frames() []Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Frame(nil), c.frames...)
}

// Notes are all notes so far, by time.
func (c *Capture) Notes() []Note {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Note(nil), c.notes...)
}

// Segments are all TCP segments decoded so far, in the order in which they entered the switch.
func (c *Capture) Segments() []Segment {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Segment(nil), c.segments...)
}

// ICMPErrors are all ICMP and ICMPv6 error messages decoded so far.
func (c *Capture) ICMPErrors() []ICMPError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]ICMPError(nil), c.icmp...)
}

// Err says whether the evidence can be trusted: ErrIncomplete if the kernel dropped frames
// because they were not read in time, or why reading ended. Closing is no error.
func (c *Capture) Err() error {
	c.countDrops()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err()
}

func (c *Capture) err() error {
	if c.failure != nil && !errors.Is(c.failure, ErrClosed) {
		return c.failure
	}
	if c.dropped > 0 {
		return fmt.Errorf("%w: the kernel dropped %d frames (net.core.rmem_max limits the buffer of an unprivileged capture)", ErrIncomplete, c.dropped)
	}
	return nil
}

// countDrops adds up PACKET_STATISTICS, which starts at zero again after each read.
func (c *Capture) countDrops() {
	// The socket is gone after Close, which has counted by then.
	_ = c.socket.Control(func(fd uintptr) {
		stats, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
		c.mu.Lock()
		defer c.mu.Unlock()
		if err != nil {
			c.failure = fmt.Errorf("%w: its drops could not be read: %w", ErrIncomplete, err)
			return
		}
		c.dropped += uint64(stats.Drops)
	})
}

// Close ends the capture and reports what Err would. What was captured can still be read. Call
// Sync first if the last frames matter.
func (c *Capture) Close() error {
	err := c.Err()
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.file.Close()
	<-c.done
	c.marker.file.Close()
	return err
}

// add keeps one frame. The caller holds no lock.
func (c *Capture) add(at time.Duration, ifindex int, outgoing bool, data []byte, length int, d decoded) {
	c.mu.Lock()
	defer c.mu.Unlock()
	port, known := c.ports[ifindex]
	if !known {
		return
	}
	if outgoing {
		c.addLeaving(at, port, data, length, d)
	} else {
		c.addEntering(at, port, data, length, d)
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Capture) addEntering(at time.Duration, port string, data []byte, length int, d decoded) {
	c.owners[d.source] = port
	if c.routers[port] && d.segment != nil {
		c.addRouted(at, port, data, length, d)
		return
	}
	c.numbered++
	here := entry{frame: len(c.frames), segment: -1, icmp: -1}
	c.frames = append(c.frames, Frame{Number: c.numbered, At: at, Port: port, Direction: Entering, Kind: d.kind, Asks: d.asks, Data: data, Length: length})
	if d.segment != nil {
		here.segment = len(c.segments)
		segment := *d.segment
		segment.Number, segment.At, segment.From = c.numbered, at, port
		c.walker.sent(&segment)
		c.segments = append(c.segments, segment)
		c.log = append(c.log, here.segment)
	}
	if d.icmp != nil {
		here.icmp = len(c.icmp)
		icmp := *d.icmp
		icmp.Number, icmp.At, icmp.From = c.numbered, at, port
		c.icmp = append(c.icmp, icmp)
	}
	// The newest of several equal packets is the one that leaves next: a bridge forwards at
	// once or never.
	c.entered[d.identity] = here
}

func (c *Capture) addLeaving(at time.Duration, port string, data []byte, length int, d decoded) {
	c.frames = append(c.frames, Frame{At: at, Port: port, Direction: Leaving, Kind: d.kind, Asks: d.asks, Data: data, Length: length})
	if owner, known := c.owners[d.target]; d.unicast && known && owner != port {
		return // flooded to a host it is not for: the switch has forgotten where the target is
	}
	from, seen := c.entered[d.identity]
	if !seen && (d.segment != nil || d.icmp != nil) {
		c.addForged(at, port, d)
		return
	}
	if !seen || c.frames[from.frame].Delivered {
		return
	}
	c.frames[from.frame].Delivered = true
	if from.icmp >= 0 {
		c.icmp[from.icmp].Delivered = true
	}
	if from.segment >= 0 {
		segment := &c.segments[from.segment]
		if c.routers[port] {
			segment.Router = port
			c.passing[d.passage] = from.segment
			return
		}
		segment.Delivered, segment.DeliveredAt, segment.DeliveredTo = true, at, port
		c.walker.delivered(segment)
		c.log = append(c.log, from.segment)
	}
}

// addForged keeps a segment or an ICMP error that left the switch without having entered it.
func (c *Capture) addForged(at time.Duration, port string, d decoded) {
	c.numbered++
	c.frames[len(c.frames)-1].Number = c.numbered
	if d.icmp != nil {
		icmp := *d.icmp
		icmp.Number, icmp.At, icmp.From, icmp.Delivered = c.numbered, at, Switch, true
		c.icmp = append(c.icmp, icmp)
		return
	}
	segment := *d.segment
	segment.Number, segment.At, segment.From = c.numbered, at, Switch
	if c.routers[port] {
		segment.Router = port
		c.passing[d.passage] = len(c.segments)
	} else {
		segment.Delivered, segment.DeliveredAt, segment.DeliveredTo = true, at, port
	}
	c.walker.forged(&segment)
	if segment.Kind == KindRST && segment.Delivered {
		c.walker.delivered(&segment)
	}
	c.log = append(c.log, len(c.segments))
	c.segments = append(c.segments, segment)
}
