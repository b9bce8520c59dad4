package wire

import "net/netip"

// walker follows each conversation, frame by frame in the switch's order, to say what a segment
// is to its connection. What a host knows of the other is taken from delivered segments only.
type walker struct {
	conversations map[pair]view
}

// view is a conversation by the pair that one side knows it by. Both sides of a router that
// translates addresses have a view of their own of the same conversation.
type view struct {
	*walk
	low, high *side // of the pair's addresses
}

// pair is a 4-tuple without direction: the lower address:port first.
type pair struct{ low, high netip.AddrPort }

func pairOf(a, b netip.AddrPort) pair {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	return pair{a, b}
}

func newWalker() *walker { return &walker{conversations: map[pair]view{}} }

// walk is the state of one conversation.
type walk struct{ connection int }

// side is what one end has sent, and what has reached it.
type side struct {
	known   bool   // something was sent, so that the numbers mean something
	initial uint32 // sequence number of the SYN
	next    uint32 // sequence number never sent yet (SND.NXT at its furthest)

	sentSYN    bool // the SYN was seen
	actively   bool // and it was without ACK: this side opened
	handshaken bool // something was sent after the SYN
	scale      int  // of the windows it announces; -1 if it does not scale

	acknowledged     uint32 // highest acknowledgement delivered to it (SND.UNA)
	haveAcknowledged bool
	peerWindow       uint32 // last window delivered to it, bytes
	gotSYN           bool   // the other end's SYN or SYN-ACK of this connection was delivered

	sentACK    bool // it has acknowledged, with these:
	lastSeq    uint32
	lastACK    uint32
	lastWindow uint32

	challenged bool // a SYN or an inexact RST reached it in a synchronized state
	copies     map[uint32]int
	former     *side // its numbers in the connection before this one, to read a late ACK or RST by
}

// before compares sequence numbers modulo 2^32 (RFC 9293 section 3.4).
func before(a, b uint32) bool { return int32(a-b) < 0 }

func (w *walker) of(s *Segment) (conversation *walk, from, to *side) {
	key := pairOf(s.Src, s.Dst)
	seen, known := w.conversations[key]
	if !known {
		seen = view{&walk{}, newSide(), newSide()}
		w.conversations[key] = seen
	}
	if s.Src != key.low {
		return seen.walk, seen.high, seen.low
	}
	return seen.walk, seen.low, seen.high
}

// translated takes in that a router has sent a segment on with other addresses: what crosses between
// those from now on is the same conversation.
func (w *walker) translated(s *Segment) {
	conversation, from, to := w.of(s)
	key := pairOf(s.OutSrc, s.OutDst)
	if s.OutSrc == key.low {
		w.conversations[key] = view{conversation, from, to}
	} else {
		w.conversations[key] = view{conversation, to, from}
	}
}

func newSide() *side { return &side{scale: -1, copies: map[uint32]int{}} }

// sent takes in a segment as it leaves its host, and sets its kind, copy, connection, scaled
// window and relative numbers.
func (w *walker) sent(s *Segment) {
	conversation, from, to := w.of(s)
	s.Kind = conversation.classify(s, from, to)
	if conversation.connection == 0 {
		conversation.connection = 1 // already there when the capture began
	}
	s.Connection = conversation.connection

	if !s.Flags.Has(FlagSYN) && from.scale >= 0 && to.scale >= 0 {
		s.Window <<= from.scale
	}
	length := s.sequenceLength()
	if length > 0 && !s.Kind.IsProbe() && s.Kind != KindRST {
		s.Copy = from.copies[s.Seq]
		from.copies[s.Seq]++
		if end := s.Seq + length; before(from.next, end) {
			from.next = end
		}
	}
	s.RelSeq = from.relative(s.Seq)
	if s.Flags.Has(FlagACK) {
		s.RelAck = to.relative(s.Ack)
	}

	if s.Kind == KindRST {
		return
	}
	from.challenged = false
	if !s.Flags.Has(FlagSYN) {
		from.handshaken = true
	}
	if s.Flags.Has(FlagACK) {
		from.sentACK, from.lastSeq, from.lastACK, from.lastWindow = true, s.Seq, s.Ack, s.Window
	}
}

// forged takes in a segment that the host it names did not send: it changes nothing of what is
// known of that host.
func (w *walker) forged(s *Segment) {
	conversation, from, to := w.of(s)
	switch {
	case s.Flags.Has(FlagRST):
		s.Kind = KindRST
	case s.Flags.Has(FlagSYN) && !s.Flags.Has(FlagACK):
		s.Kind = KindSYN
	}
	if s.Kind != KindUnknown {
		w.delivered(s) // the host that got it may be challenging it
	}
	if !s.Flags.Has(FlagSYN) && from.scale >= 0 && to.scale >= 0 {
		s.Window <<= from.scale
	}
	s.Connection = max(conversation.connection, 1)
	s.RelSeq = from.relative(s.Seq)
	if s.Flags.Has(FlagACK) {
		s.RelAck = to.relative(s.Ack)
	}
}

func (conversation *walk) classify(s *Segment, from, to *side) Kind {
	if s.Flags.Has(FlagRST) {
		return KindRST
	}
	if s.Flags.Has(FlagSYN) {
		return conversation.classifySYN(s, from)
	}
	if !from.known {
		from.known, from.initial, from.next = true, s.Seq-1, s.Seq
	}
	isProbe := s.Len <= 1 && !s.Flags.Has(FlagFIN) &&
		from.haveAcknowledged && from.acknowledged == from.next && s.Seq == from.next-1
	copied := s.sequenceLength() > 0 && before(s.Seq, from.next)
	switch {
	case isProbe && from.peerWindow == 0:
		return KindZeroWindowProbe
	case isProbe:
		return KindKeepaliveProbe
	case s.Flags.Has(FlagFIN) && before(s.Seq+uint32(s.Len), from.next):
		return KindRetransmittedFIN
	case s.Flags.Has(FlagFIN):
		return KindFIN
	case copied:
		return KindRetransmission
	case s.Len > 0:
		return KindData
	case from.challenged:
		return KindChallengeACK
	case from.actively && from.gotSYN && !from.handshaken:
		return KindHandshakeACK
	case from.sentACK && from.repeats(s, to):
		return KindDuplicateACK
	default:
		return KindACK
	}
}

func (from *side) repeats(s *Segment, to *side) bool {
	window := s.Window
	if from.scale >= 0 && to.scale >= 0 {
		window <<= from.scale
	}
	return from.lastSeq == s.Seq && from.lastACK == s.Ack && from.lastWindow == window
}

// classifySYN tells a copy from a SYN that starts the sender's side anew. Only one without ACK
// starts a new connection: a SYN-ACK answers one.
func (conversation *walk) classifySYN(s *Segment, from *side) Kind {
	hasACK := s.Flags.Has(FlagACK)
	if from.sentSYN && from.initial == s.Seq {
		if hasACK {
			// The SYN-ACK of a simultaneous open repeats the SYN's number, and is no copy.
			if from.actively && !from.sentACK {
				return KindSYNACK
			}
			return KindRetransmittedSYNACK
		}
		return KindRetransmittedSYN
	}
	if !hasACK && (conversation.connection == 0 || from.known) {
		conversation.connection++
	}
	former := *from
	*from = *newSide()
	if former.known {
		former.former = nil
		from.former = &former
	}
	from.known, from.sentSYN, from.actively = true, true, !hasACK
	from.initial, from.next = s.Seq, s.Seq
	from.scale = s.Options.WindowScale
	if hasACK {
		from.gotSYN = true
		return KindSYNACK
	}
	return KindSYN
}

// relative gives a number of this side relative to its SYN: the present connection's, or the
// former one's if it is nearer to what was sent then. It is 0 while nothing is known.
func (from *side) relative(number uint32) uint32 {
	if !from.known {
		return 0
	}
	distance := func(end uint32) uint32 { return min(number-end, end-number) }
	if f := from.former; f != nil && distance(f.next) < distance(from.next) {
		return number - f.initial
	}
	return number - from.initial
}

// delivered takes in a segment as it reaches the other host.
func (w *walker) delivered(s *Segment) {
	_, from, to := w.of(s)
	if to.haveAcknowledged { // synchronized
		if s.Kind == KindSYN || s.Kind == KindRetransmittedSYN {
			to.challenged = true
		}
		if s.Kind == KindRST && to.sentACK && s.Seq != to.lastACK {
			to.challenged = true
		}
	}
	if s.Kind == KindRST {
		return
	}
	if s.Flags.Has(FlagSYN) && from.sentSYN && from.initial == s.Seq {
		to.gotSYN = true
	}
	if !s.Flags.Has(FlagACK) || !to.known {
		return
	}
	if !to.sentSYN && before(to.next, s.Ack) {
		to.next = s.Ack // sent before the capture began
	}
	if before(to.next, s.Ack) || before(s.Ack, to.initial) {
		return
	}
	if !to.haveAcknowledged || before(to.acknowledged, s.Ack) {
		to.haveAcknowledged, to.acknowledged = true, s.Ack
	}
	to.peerWindow = s.Window
}
