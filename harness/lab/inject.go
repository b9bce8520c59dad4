package lab

import (
	"net/netip"

	"github.com/halfopen/halfopen/harness/wire"
)

// InjectReset puts a RST on the cable of a host that looks as if it came from its peer. Only its
// destination sees it.
func (l *Lab) InjectReset(to *Host, src, dst netip.AddrPort, seq uint32) error {
	if err := l.Forge(to, Forged{Src: src, Dst: dst, Flags: wire.FlagRST, Seq: seq}); err != nil {
		return err
	}
	l.Note("switch: a forged RST for %s", to.name)
	return nil
}
