package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// probeName is what the devices and tables of probes are called.
const probeName = "halfopen-probe"

// inetDiagReqV2 is struct inet_diag_req_v2 of linux/inet_diag.h.
type inetDiagReqV2 struct {
	Family, Protocol, Ext, Pad uint8
	States                     uint32
	SourcePort, DestPort       [2]byte // network order
	Source, Dest               [16]byte
	Interface                  uint32
	Cookie                     [2]uint32
}

// probeSockDestroy destroys a listening socket of its own. With no connection at hand nothing else is
// needed: neither an address nor a device.
func probeSockDestroy() error {
	return withSocket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP, func(listener int) error {
		if err := unix.Listen(listener, 1); err != nil { // binds to a free port
			return fmt.Errorf("listen: %w", err)
		}
		name, err := unix.Getsockname(listener)
		if err != nil {
			return fmt.Errorf("getsockname: %w", err)
		}
		addr, ok := name.(*unix.SockaddrInet4)
		if !ok {
			return fmt.Errorf("getsockname: %T of an IPv4 socket", name)
		}
		request := inetDiagReqV2{Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, States: 1 << unix.BPF_TCP_LISTEN,
			Cookie: [2]uint32{^uint32(0), ^uint32(0)}} // INET_DIAG_NOCOOKIE
		binary.BigEndian.PutUint16(request.SourcePort[:], uint16(addr.Port))
		err = netlinkAck(unix.NETLINK_SOCK_DIAG, unix.SOCK_DESTROY, request)
		// EOPNOTSUPP: without CONFIG_INET_DIAG_DESTROY. ENOENT: our listener is there, so it is the
		// handler that is not. EPROTONOSUPPORT: no sock_diag at all.
		return notSupported(err, unix.EOPNOTSUPP, unix.ENOENT, unix.EPROTONOSUPPORT)
	})
}

// netlinkAck sends one request and waits for its acknowledgement.
func netlinkAck(protocol int, kind uint16, body any) error {
	return withSocket(unix.AF_NETLINK, unix.SOCK_RAW, protocol, func(fd int) error {
		header := unix.NlMsghdr{Type: kind, Flags: unix.NLM_F_REQUEST | unix.NLM_F_ACK, Seq: 1}
		header.Len = uint32(int(unsafe.Sizeof(header)) + binary.Size(body))
		var message bytes.Buffer
		if err := errors.Join(binary.Write(&message, binary.NativeEndian, header), binary.Write(&message, binary.NativeEndian, body)); err != nil {
			return err
		}
		if err := unix.Sendto(fd, message.Bytes(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return fmt.Errorf("netlink request: %w", err)
		}
		answer := make([]byte, 4096)
		n, _, err := unix.Recvfrom(fd, answer, 0)
		if err != nil {
			return fmt.Errorf("netlink answer: %w", err)
		}
		if n < unix.NLMSG_HDRLEN+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
			return fmt.Errorf("netlink answer of %d bytes is no acknowledgement", n)
		}
		if code := int32(binary.NativeEndian.Uint32(answer[unix.NLMSG_HDRLEN:])); code != 0 {
			return fmt.Errorf("netlink request: %w", unix.Errno(-code))
		}
		return nil
	})
}

func probeBridge() error {
	return probeLink(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: probeName}})
}

func probeVeth() error {
	return probeLink(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: probeName}, PeerName: "halfopen-peer"})
}

// probeLink makes a device, down, and removes it.
func probeLink(link netlink.Link) error {
	if err := netlink.LinkAdd(link); err != nil {
		return notSupported(fmt.Errorf("device of type %s: %w", link.Type(), err), unix.EOPNOTSUPP)
	}
	if err := netlink.LinkDel(link); err != nil {
		return fmt.Errorf("device of type %s could not be removed: %w", link.Type(), err)
	}
	return nil
}

func probeTablesINet() error   { return probeTables(nftables.TableFamilyINet) }
func probeTablesBridge() error { return probeTables(nftables.TableFamilyBridge) }

func probeTablesReject() error {
	return probeTables(nftables.TableFamilyINet, &expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_HOST_UNREACH})
}

func probeTablesConntrack() error {
	return probeTables(nftables.TableFamilyINet, &expr.Ct{Register: 1, Key: expr.CtKeySTATE})
}

// natChain is where a source address is translated.
var natChain = nftables.Chain{Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource}

func probeTablesMasquerade() error {
	return probeChain(nftables.TableFamilyINet, natChain, &expr.Masq{})
}

func probeTablesNAT() error {
	return probeChain(nftables.TableFamilyINet, natChain,
		&expr.Immediate{Register: 1, Data: []byte{192, 0, 2, 1}},
		&expr.NAT{Type: expr.NATTypeSourceNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1})
}

// probeConntrackNetlink reads the table, in which there is no connection of this namespace's.
func probeConntrackNetlink() error {
	handle, err := netlink.NewHandle(unix.NETLINK_NETFILTER)
	if err != nil {
		return notSupported(fmt.Errorf("netfilter's netlink: %w", err), unix.EPROTONOSUPPORT)
	}
	defer handle.Close()
	_, err = handle.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil
	}
	// EINVAL: no such subsystem of nfnetlink, and no module that brings it (nfnetlink_rcv_msg).
	return notSupported(err, unix.EINVAL, unix.EOPNOTSUPP)
}

// probeTables makes a table with a filter chain and one rule, and removes it, in one transaction: no
// packet ever meets it.
func probeTables(family nftables.TableFamily, rule ...expr.Any) error {
	filter := nftables.Chain{Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter}
	return probeChain(family, filter, rule...)
}

// probeChain is probeTables for a chain of any type.
func probeChain(family nftables.TableFamily, kind nftables.Chain, rule ...expr.Any) error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("nf_tables: %w", err)
	}
	table := conn.AddTable(&nftables.Table{Family: family, Name: probeName})
	kind.Table, kind.Name = table, "probe"
	chain := conn.AddChain(&kind)
	if len(rule) > 0 {
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: rule})
	}
	conn.DelTable(table)
	if err := conn.Flush(); err != nil {
		// EOPNOTSUPP: no such family, or no nf_tables. ENOENT: no such kind of chain or expression.
		return notSupported(fmt.Errorf("nf_tables transaction: %w", err), unix.EOPNOTSUPP, unix.EAFNOSUPPORT, unix.EPROTONOSUPPORT, unix.ENOENT)
	}
	return nil
}
