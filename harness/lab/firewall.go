package lab

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/kernel"
)

// Firewall makes the router a stateful firewall: of the TCP segments it forwards it accepts those of a
// connection that it tracks and those that begin an entry and come from the near network, and refuses
// all others, without a word or with an answer. Whether a segment out of the middle of a connection
// begins an entry is the sysctl's to say (nf_conntrack_tcp_loose); one that does not is invalid.
func (r *Router) Firewall(answer *Answer) error {
	var refuse expr.Any = drop()
	verb := "drops"
	if answer != nil {
		reject := answer.expr
		refuse, verb = &reject, "answers with "+answer.name
	}
	err := setRules(r.ns, nftables.TableFamilyINet, "firewall", forwardFilter,
		append(connectionState(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), accept()),
		append(append(onPort(expr.MetaKeyIIFNAME, nearDevice), connectionState(expr.CtStateBitNEW)...), accept()),
		append(tcpOnly(), refuse),
	)
	if err != nil {
		return fmt.Errorf("cannot make %s a firewall: %w", r.name, err)
	}
	r.lab.Note("%s: firewall accepts what it tracks and what comes from the clients' network, and %s the rest", r.name, verb)
	return r.track()
}

// Masquerade makes the router a NAT for what it forwards to the far network: it puts its own address
// there in the place of the client's, and keeps the client's port where that is free (nft(8) masquerade).
func (r *Router) Masquerade() error {
	rule := append(onPort(expr.MetaKeyOIFNAME, farDevice), tcpOnly()...)
	return r.nat("with the client's port where it is free", append(rule, &expr.Masq{}))
}

// TranslatePorts is Masquerade with a port drawn from a range, both ends included, for each entry
// (nft(8) snat). The client's own is kept if it lies in the range and is free.
//
// It is snat because the kernel heeds a masquerade's range only with NF_NAT_RANGE_PROTO_SPECIFIED in its
// flags, which nft sets and the library does not.
func (r *Router) TranslatePorts(first, last uint16) error {
	var rules [][]expr.Any
	for _, prefix := range r.addresses(r.far) {
		family := byte(unix.NFPROTO_IPV4)
		if prefix.Addr().Is6() {
			family = unix.NFPROTO_IPV6
		}
		rule := append(onPort(expr.MetaKeyOIFNAME, farDevice), tcpOnly()...)
		rules = append(rules, append(rule,
			&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{family}},
			&expr.Immediate{Register: 1, Data: prefix.Addr().AsSlice()},
			&expr.Immediate{Register: 2, Data: binaryutil.BigEndian.PutUint16(first)},
			&expr.Immediate{Register: 3, Data: binaryutil.BigEndian.PutUint16(last)},
			&expr.NAT{Type: expr.NATTypeSourceNAT, Family: uint32(family),
				RegAddrMin: 1, RegProtoMin: 2, RegProtoMax: 3, Specified: true},
		))
	}
	return r.nat(fmt.Sprintf("with a port from %d to %d", first, last), rules...)
}

// nat sets rules for the first segment of what the router sends on.
func (r *Router) nat(how string, rules ...[]expr.Any) error {
	chain := nftables.Chain{Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource}
	if err := setRules(r.ns, nftables.TableFamilyINet, "nat", chain, rules...); err != nil {
		return fmt.Errorf("cannot make %s a NAT: %w", r.name, err)
	}
	r.lab.Note("%s: translates the clients' addresses to its own, %s", r.name, how)
	return r.track()
}

// Swallow makes the router drop part of the TCP segments that come to it from a host, when connection
// tracking has seen them already: prerouting comes before forwarding.
func (r *Router) Swallow(from *Host, traffic Traffic) (*Filter, error) {
	r.lab.filters++
	name := fmt.Sprintf("swallow-%d", r.lab.filters)
	device := nearDevice
	if from.network == r.far {
		device = farDevice
	}
	rule := append(append(onPort(expr.MetaKeyIIFNAME, device), traffic.match()...), drop())
	if err := setFilter(r.ns, nftables.TableFamilyINet, name, nftables.ChainHookForward, rule...); err != nil {
		return nil, fmt.Errorf("cannot make %s swallow %s: %w", r.name, traffic, err)
	}
	r.lab.Note("%s: swallows %s from %s", r.name, traffic, from.name)
	return &Filter{name: name, remove: func() error { return removeFilter(r.ns, nftables.TableFamilyINet, name) }, note: func() {
		r.lab.Note("%s: no longer swallows %s from %s", r.name, traffic, from.name)
	}}, nil
}

// track gives the router the profile's settings of connection tracking. The first rule that asks for a
// connection's state has loaded the module, and with it the sysctls are there.
func (r *Router) track() error {
	return r.Do(func() error {
		var errs []error
		for _, s := range r.lab.profile.ConntrackSettings() {
			errs = append(errs, kernel.SetSysctl(s.Name, s.Value))
		}
		return errors.Join(errs...)
	})
}

// connectionState matches a segment by what connection tracking makes of it (expr.CtStateBit...).
func connectionState(bits uint32) []expr.Any {
	return append(tcpOnly(),
		&expr.Ct{Register: 1, Key: expr.CtKeySTATE},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	)
}

func accept() expr.Any { return &expr.Verdict{Kind: expr.VerdictAccept} }
