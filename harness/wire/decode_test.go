package wire

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/wire/internal/rig"
)

// frameOf builds a TCP frame from client to server, as the seed of the fuzzer and for what no
// host would send.
func frameOf(t testing.TB, ipv6 bool, tcp *layers.TCP, payload string) []byte {
	t.Helper()
	ethernet := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, EthernetType: layers.EthernetTypeIPv4}
	var ip interface {
		gopacket.NetworkLayer
		gopacket.SerializableLayer
	} = &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: net.IPv4(192, 0, 2, 2).To4(), DstIP: net.IPv4(192, 0, 2, 1).To4()}
	if ipv6 {
		ethernet.EthernetType = layers.EthernetTypeIPv6
		ip = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: net.ParseIP("2001:db8::2"), DstIP: net.ParseIP("2001:db8::1")}
	}
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	buffer := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ethernet, ip, tcp, gopacket.Payload(payload)); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func TestTheSamePacketIsKnownByItsBytesButNotItsChecksum(t *testing.T) {
	g := NewWithT(t)
	d := newDecoder()
	data := frameOf(t, false, &layers.TCP{SrcPort: 1, DstPort: 2, Seq: 3, ACK: true}, "x")
	first := d.decode(data)
	const checksum = 14 + 20 + 16
	data[checksum]++
	g.Expect(d.decode(data).identity).To(Equal(first.identity))
	data[len(data)-1]++ // padding: Ethernet frames have at least 60 bytes
	g.Expect(d.decode(data).identity).To(Equal(first.identity))
	data[14+20+20]++
	g.Expect(d.decode(data).identity).NotTo(Equal(first.identity))
}

// FuzzDecode: whatever crosses the switch, the capture goes on.
func FuzzDecode(f *testing.F) {
	options := []layers.TCPOption{
		{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 180}},
		{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{7}},
		{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: make([]byte, 8)},
	}
	for _, ipv6 := range []bool{false, true} {
		f.Add(frameOf(f, ipv6, &layers.TCP{SrcPort: 1, DstPort: 2, SYN: true, Options: options}, ""))
		f.Add(frameOf(f, ipv6, &layers.TCP{SrcPort: 1, DstPort: 2, Seq: 1, ACK: true, FIN: true}, "hello"))
		quoted := frameOf(f, ipv6, &layers.TCP{SrcPort: 1, DstPort: 2, Seq: 1, RST: true}, "")[14:]
		icmp := frameOf(f, ipv6, &layers.TCP{}, "")[:14]
		if ipv6 {
			icmp = append(icmp, frameOf(f, true, &layers.TCP{}, "")[14:54]...)
			icmp[14+6] = byte(layers.IPProtocolICMPv6)
			icmp[14+5] = byte(8 + len(quoted))
			icmp = append(icmp, 1, 0, 0, 0, 0, 0, 0, 0)
		} else {
			icmp = append(icmp, frameOf(f, false, &layers.TCP{}, "")[14:34]...)
			icmp[14+9] = byte(layers.IPProtocolICMPv4)
			icmp[14+3] = byte(28 + len(quoted))
			icmp = append(icmp, 3, 1, 0, 0, 0, 0, 0, 0)
		}
		f.Add(append(icmp, quoted...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &Capture{
			ports: map[int]string{1: "client", 2: "server"}, owners: map[[6]byte]string{},
			entered: map[uint64]entry{}, walker: newWalker(), changed: make(chan struct{}),
		}
		d := newDecoder()
		for i := range 2 {
			c.add(time.Duration(i), 1, false, data, len(data), d.decode(data))
			c.add(time.Duration(i), 2, true, data, len(data), d.decode(data))
		}
		for _, s := range c.segments {
			if s.Len != len(s.Payload) || s.Kind.String() == "" {
				t.Fatalf("%+v", s)
			}
		}
		_ = Ladder(c.segments, nil)
	})
}

func TestDroppedFramesMakeTheCaptureIncomplete(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var c *Capture
	lan := rig.New(t, func(name string, ifindex int) { c.AddPort(name, ifindex) }, func() (err error) {
		c, err = Open()
		return err
	})
	g.Expect(c.socket.Control(func(fd uintptr) {
		g.Expect(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1)).To(Succeed())
	})).To(Succeed())
	var socket net.Conn
	g.Expect(lan.Client.Do(func() (err error) {
		socket, err = net.Dial("udp", netip.AddrPortFrom(lan.Server.IP4(), 9).String())
		return err
	})).To(Succeed())
	defer socket.Close()
	c.mu.Lock() // the reader stands still
	for range 50 {
		socket.Write(make([]byte, 1000))
	}
	c.mu.Unlock()
	g.Expect(c.Err()).To(MatchError(ErrIncomplete))
	g.Expect(c.Sync(ctx)).To(MatchError(ErrIncomplete))
	g.Expect(c.Close()).To(MatchError(ErrIncomplete))
}

func TestAForgedSegmentIsTheSwitchs(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var c *Capture
	ports := map[string]int{}
	lan := rig.New(t, func(name string, ifindex int) { ports[name] = ifindex; c.AddPort(name, ifindex) }, func() (err error) {
		c, err = Open()
		return err
	})
	defer c.Close()
	client, _ := lan.Connect(ctx, false)
	local, remote := rig.Ends(client)
	synack, err := c.Await(ctx, func(s Segment) bool { return s.Kind == KindSYNACK })
	g.Expect(err).NotTo(HaveOccurred())
	forged := frameOf(t, false, &layers.TCP{SrcPort: layers.TCPPort(remote.Port()), DstPort: layers.TCPPort(local.Port()), Seq: synack.Seq + 1, RST: true}, "")
	g.Expect(lan.Switch.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, forged, 0, &unix.SockaddrLinklayer{Ifindex: ports["client"]})
	})).To(Succeed())
	_, err = client.Read(make([]byte, 1))
	g.Expect(err).To(MatchError(unix.ECONNRESET))
	g.Expect(c.Sync(ctx)).To(Succeed())
	conversation := c.Conversation(local, remote)
	segments := conversation.Segments()
	last := segments[len(segments)-1]
	g.Expect(last.From).To(Equal(Switch), "%v", conversation)
	g.Expect(last.Kind).To(Equal(KindRST))
	g.Expect(last.DeliveredTo).To(Equal("client"))
	g.Expect(last.RelSeq).To(Equal(uint32(1)))
	g.Expect(conversation.String()).To(ContainSubstring("switch -> client"))
}

func TestADatagramIsUnderstoodWhenItIsAskedFor(t *testing.T) {
	g := NewWithT(t)
	ethernet := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv6}
	ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: net.ParseIP("2001:db8::1"), DstIP: net.ParseIP("2001:db8::2")}
	udp := &layers.UDP{SrcPort: 50000, DstPort: 7000}
	g.Expect(udp.SetNetworkLayerForChecksum(ip)).To(Succeed())
	buffer := gopacket.NewSerializeBuffer()
	g.Expect(gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ethernet, ip, udp, gopacket.Payload("x"))).To(Succeed())
	frame := Frame{Port: "client", Kind: newDecoder().decode(buffer.Bytes()).kind, Data: buffer.Bytes(), Delivered: true}

	datagram, ok := frame.Datagram()
	g.Expect(ok).To(BeTrue())
	g.Expect(datagram).To(Equal(Datagram{
		From: "client", Src: netip.MustParseAddrPort("[2001:db8::1]:50000"), Dst: netip.MustParseAddrPort("[2001:db8::2]:7000"), Delivered: true,
	}))

	frame.Direction = Leaving
	_, ok = frame.Datagram()
	g.Expect(ok).To(BeFalse(), "its copy on the other side")
	_, ok = Frame{Kind: "TCP", Data: frameOf(t, false, &layers.TCP{SrcPort: 1, DstPort: 2}, "x")}.Datagram()
	g.Expect(ok).To(BeFalse(), "a segment")
}
