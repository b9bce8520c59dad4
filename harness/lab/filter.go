package lab

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Traffic names a part of the TCP segments by their flags (RFC 9293 section 3.1) or by their size.
type Traffic struct {
	name        string
	mask, value byte
	larger      int // bytes of the IP packet
}

// LargerThan is the segments in IP packets of more than so many bytes, as a hop with a smaller MTU
// cannot pass on.
func LargerThan(bytes int) Traffic {
	return Traffic{name: fmt.Sprintf("segments in packets larger than %d bytes", bytes), larger: bytes}
}

// The parts of the traffic a filter can be set on. A small write's segments carry PSH, so Data
// needs no look at lengths; probes and pure acknowledgements are ACKs alike.
var (
	All  = Traffic{name: "segments"}
	SYNs = Traffic{name: "SYNs", mask: flagSYN | flagACK, value: flagSYN}
	FINs = Traffic{name: "FINs", mask: flagFIN, value: flagFIN}
	RSTs = Traffic{name: "RSTs", mask: flagRST, value: flagRST}
	Data = Traffic{name: "data", mask: flagPSH, value: flagPSH}
	ACKs = Traffic{name: "pure ACKs", mask: flagFIN | flagSYN | flagRST | flagPSH | flagACK, value: flagACK}
)

const (
	flagFIN byte = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
)

// tcpFlagsOffset is where the flags lie in a TCP header.
const tcpFlagsOffset = 13

func (t Traffic) String() string { return t.name }

// Filter is a packet filter that was set and can be taken away again.
type Filter struct {
	name   string
	remove func() error
	note   func()
}

// Remove takes the filter away; what it has swallowed stays lost.
func (f *Filter) Remove() error {
	if err := f.remove(); err != nil {
		return fmt.Errorf("cannot remove the filter %s: %w", f.name, err)
	}
	f.note()
	return nil
}

// removeFilter takes away what setFilter or setRules installed.
func removeFilter(ns *namespace, family nftables.TableFamily, name string) error {
	return ns.do(func() error {
		nft, err := nftables.New()
		if err != nil {
			return err
		}
		nft.DelTable(&nftables.Table{Family: family, Name: name})
		return nft.Flush()
	})
}

// setFilter installs one rule in a table and base chain of its own, so that removing the table
// removes exactly this filter. The conditions come first, the verdict last.
func setFilter(ns *namespace, family nftables.TableFamily, name string, hook *nftables.ChainHook, rule ...expr.Any) error {
	return setRules(ns, family, name, nftables.Chain{Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: nftables.ChainPriorityFilter}, rule)
}

// forwardFilter is a base chain for what is sent on.
var forwardFilter = nftables.Chain{Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter}

// setRules is setFilter for several rules, asked in turn, in a base chain of any kind.
func setRules(ns *namespace, family nftables.TableFamily, name string, chain nftables.Chain, rules ...[]expr.Any) error {
	return ns.do(func() error {
		nft, err := nftables.New()
		if err != nil {
			return fmt.Errorf("cannot reach nf_tables: %w", err)
		}
		chain.Name, chain.Table = "filter", nft.AddTable(&nftables.Table{Family: family, Name: name})
		added := nft.AddChain(&chain)
		for _, rule := range rules {
			nft.AddRule(&nftables.Rule{Table: chain.Table, Chain: added, Exprs: rule})
		}
		if err := nft.Flush(); err != nil {
			return fmt.Errorf("cannot set the filter %s: %w", name, err)
		}
		return nil
	})
}

func tcpOnly() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
	}
}

func (t Traffic) match() []expr.Any {
	conditions := tcpOnly()
	if t.larger != 0 {
		conditions = append(conditions,
			&expr.Meta{Key: expr.MetaKeyLEN, Register: 1},
			&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
			&expr.Cmp{Op: expr.CmpOpGt, Register: 1, Data: binaryutil.BigEndian.PutUint32(uint32(t.larger))})
	}
	if t.mask == 0 {
		return conditions
	}
	return append(conditions,
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: tcpFlagsOffset, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{t.mask}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{t.value}},
	)
}

// onPort matches a bridge port by name: key is MetaKeyIIFNAME or MetaKeyOIFNAME.
func onPort(key expr.MetaKey, name string) []expr.Any {
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	return []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: padded},
	}
}

func drop() expr.Any { return &expr.Verdict{Kind: expr.VerdictDrop} }

// Answer is what a rejecting firewall sends back.
type Answer struct {
	name string
	expr expr.Reject
}

func (a Answer) String() string { return a.name }

// The answers of nft's "reject" (nft(8)); the ICMP ones are the family's own: for IPv6 the kernel
// takes the matching ICMPv6 code.
var (
	WithReset            = Answer{"a RST", expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}
	WithPortUnreachable  = Answer{"ICMP port unreachable", expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_PORT_UNREACH}}
	WithHostUnreachable  = Answer{"ICMP host unreachable", expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_HOST_UNREACH}}
	WithAdminProhibited  = Answer{"ICMP administratively prohibited", expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}}
	WithNetworkUnreached = Answer{"ICMP network unreachable", expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_NO_ROUTE}}
)

// AnswerNamed is the answer of that name, nil for none.
func AnswerNamed(name string) (*Answer, error) {
	if name == "" {
		return nil, nil
	}
	for _, answer := range []Answer{WithReset, WithPortUnreachable, WithHostUnreachable, WithAdminProhibited, WithNetworkUnreached} {
		if answer.name == name {
			return &answer, nil
		}
	}
	return nil, fmt.Errorf("there is no answer %q", name)
}

// tcpDestinationPort matches the port that a segment is for.
func tcpDestinationPort(port uint16) []expr.Any {
	return append(tcpOnly(),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(port)},
	)
}
