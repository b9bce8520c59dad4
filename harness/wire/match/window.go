package match

import (
	"fmt"

	"github.com/halfopen/halfopen/harness/wire"
)

// WindowProbe is a segment at one below what was sent and acknowledged, to a receiver whose window
// was zero by the last that was heard of it.
func WindowProbe() Predicate { return ofKind("window probe", wire.KindZeroWindowProbe) }

// Closed narrows to segments that announce a window of zero. A RST announces none.
func (p Predicate) Closed() Predicate {
	return p.with("with a closed window", func(s wire.Segment) bool { return s.Window == 0 && !s.Flags.Has(wire.FlagRST) })
}

// Open narrows to segments that announce a window that is not zero.
func (p Predicate) Open() Predicate {
	return p.with("with an open window", func(s wire.Segment) bool { return s.Window > 0 })
}

// Forged narrows to what no host sent.
func (p Predicate) Forged() Predicate {
	return p.with("forged", func(s wire.Segment) bool { return s.From == wire.Switch })
}

// To narrows to what is for a host: its name, or something with a Name(). A segment that did not
// arrive is for nobody.
func (p Predicate) To(host any) Predicate {
	name := hostName(host)
	return p.with(fmt.Sprintf("to %s", name), func(s wire.Segment) bool { return s.DeliveredTo == name })
}
