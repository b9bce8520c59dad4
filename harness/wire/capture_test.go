package wire_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"
	. "github.com/onsi/gomega"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/wire"
	"github.com/halfopen/halfopen/harness/wire/internal/rig"
)

func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }

// capturedLAN is a LAN with a capture that outlives its faults and dies before it.
func capturedLAN(t *testing.T) (context.Context, *rig.LAN, *wire.Capture) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	var capture *wire.Capture
	lan := rig.New(t, func(name string, ifindex int) { capture.AddPort(name, ifindex) }, func() (err error) {
		capture, err = wire.Open()
		return err
	})
	t.Cleanup(func() {
		if err := capture.Close(); err != nil {
			t.Error(err)
		}
	})
	return ctx, lan, capture
}

func conversationOf(capture *wire.Capture, client *net.TCPConn) *wire.Conversation {
	return capture.Conversation(rig.Ends(client))
}

// story is the kinds and senders of segments, and whether they were lost.
func story(segments []wire.Segment) []string {
	var out []string
	for _, s := range segments {
		line := s.From + ": " + s.Kind.String()
		if !s.Delivered {
			line += ", lost"
		}
		out = append(out, line)
	}
	return out
}

func kindFrom(kind wire.Kind, host string) func(wire.Segment) bool {
	return func(s wire.Segment) bool { return s.Kind == kind && s.From == host }
}

func TestAConnectionFromSYNToTheLastACK(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		t.Run(fmt.Sprintf("ipv6=%v", ipv6), func(t *testing.T) {
			g := NewWithT(t)
			ctx, lan, capture := capturedLAN(t)
			before := mono.Now()
			client, server := lan.Connect(ctx, ipv6)
			_, err := client.Write([]byte("hello"))
			g.Expect(err).NotTo(HaveOccurred())
			_, err = io.ReadFull(server, make([]byte, 5))
			g.Expect(err).NotTo(HaveOccurred())
			_, err = capture.Await(ctx, func(s wire.Segment) bool { return s.From == "server" && s.Kind == wire.KindACK && s.RelAck == 6 })
			g.Expect(err).NotTo(HaveOccurred())
			client.CloseWrite()
			_, err = server.Read(make([]byte, 1))
			g.Expect(err).To(MatchError(io.EOF))
			_, err = capture.Await(ctx, func(s wire.Segment) bool { return s.From == "server" && s.RelAck == 7 })
			g.Expect(err).NotTo(HaveOccurred())
			server.Close()
			client.Read(make([]byte, 1))
			_, err = capture.Await(ctx, func(s wire.Segment) bool { return s.From == "client" && s.RelAck == 2 && s.Delivered })
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(capture.Sync(ctx)).To(Succeed())
			after := mono.Now()

			conversation := conversationOf(capture, client)
			segments := conversation.Segments()
			g.Expect(story(segments)).To(Equal([]string{
				"client: SYN", "server: SYN-ACK", "client: handshake ACK",
				"client: data", "server: ACK",
				"client: FIN", "server: ACK", "server: FIN", "client: ACK",
			}), "%v", conversation)

			syn, data := segments[0], segments[3]
			g.Expect(syn.Options.MSS).To(BeNumerically(">", 1000))
			g.Expect(syn.Options.SACKPermitted).To(BeTrue())
			g.Expect(syn.Options.Timestamps).To(BeTrue())
			g.Expect(syn.Options.WindowScale).To(BeNumerically(">", 0))
			g.Expect(syn.DeliveredTo).To(Equal("server"))
			g.Expect(string(data.Payload)).To(Equal("hello"))
			g.Expect([]uint32{data.RelSeq, data.RelAck, uint32(data.Len)}).To(Equal([]uint32{1, 1, 5}))
			local, remote := rig.Ends(client)
			g.Expect(data.Src).To(Equal(local))
			g.Expect(data.Dst).To(Equal(remote))
			for _, s := range segments {
				g.Expect(s.At).To(And(BeNumerically(">=", before), BeNumerically("<=", after)))
				g.Expect(s.DeliveredAt).To(And(BeNumerically(">=", s.At), BeNumerically("<=", after)))
			}
			g.Expect(conversation.String()).To(MatchRegexp(`(?m)^\+0\.\d{6} s +#\d+ +client -> server +PSH,ACK +seq 1 +ack 1 +len 5 +win \d+ +data "hello"$`))
			t.Logf("\n%v", conversation)
		})
	}
}

func TestAnUnpluggedCableLosesSegmentsAndTheyAreRetransmitted(t *testing.T) {
	g := NewWithT(t)
	ctx, lan, capture := capturedLAN(t)
	lan.Server.Sysctl("net/ipv4/tcp_early_retrans", "0")
	client, server := lan.Connect(ctx, false)
	lan.Client.Unplug()
	capture.Note(mono.Now(), "client: cable unplugged")
	_, err := server.Write([]byte("are you there?"))
	g.Expect(err).NotTo(HaveOccurred())
	second, err := capture.Await(ctx, func(s wire.Segment) bool { return s.Kind == wire.KindRetransmission && s.Copy == 2 })
	g.Expect(err).NotTo(HaveOccurred())
	position := capture.Position()
	lan.Client.Replug()
	capture.Note(mono.Now(), "client: cable replugged")
	_, err = io.ReadFull(client, make([]byte, 14))
	g.Expect(err).NotTo(HaveOccurred())
	ack, err := capture.AwaitFrom(ctx, position, kindFrom(wire.KindACK, "client"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(capture.Sync(ctx)).To(Succeed())

	g.Expect(ack.RelAck).To(Equal(uint32(15)))
	g.Expect(ack.Number).To(BeNumerically(">", second.Number))
	// The switch has forgotten where the client is, and floods the bystander's port as well:
	// that is no delivery.
	conversation := conversationOf(capture, client)
	segments := conversation.Segments()
	g.Expect(story(segments)[3:6]).To(Equal([]string{"server: data, lost", "server: retransmission, lost", "server: retransmission, lost"}), "%v", conversation)
	g.Expect(segments[len(segments)-2].Kind).To(Equal(wire.KindRetransmission), "%v", conversation)
	g.Expect(segments[len(segments)-2].Delivered).To(BeTrue(), "%v", conversation)
	g.Expect(conversation.String()).To(ContainSubstring("· client: cable unplugged"))
	g.Expect(conversation.String()).To(MatchRegexp(`server -x client .* retransmission 1 "are you there\?", not delivered`))
	t.Logf("\n%v", conversation)
}

func TestAResetIsSeen(t *testing.T) {
	g := NewWithT(t)
	ctx, lan, capture := capturedLAN(t)
	client, _ := lan.Connect(ctx, true)
	g.Expect(client.SetLinger(0)).To(Succeed())
	client.Close()
	rst, err := capture.Await(ctx, func(s wire.Segment) bool { return s.Kind == wire.KindRST })
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rst.From).To(Equal("client"))
	g.Expect(rst.Flags.String()).To(Equal("RST,ACK"))
	g.Expect(rst.RelSeq).To(Equal(uint32(1)))
}

func TestAKeepaliveProbeAndItsAnswer(t *testing.T) {
	g := NewWithT(t)
	ctx, lan, capture := capturedLAN(t)
	client, server := lan.Connect(ctx, false)
	server.Write([]byte("x"))
	client.Read(make([]byte, 1))
	g.Expect(server.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 2})).To(Succeed())
	probe, err := capture.Await(ctx, kindFrom(wire.KindKeepaliveProbe, "server"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(probe.RelSeq).To(Equal(uint32(1)), "one below SND.NXT, which is 2")
	g.Expect(probe.Len).To(BeZero())
	_, err = capture.Await(ctx, kindFrom(wire.KindDuplicateACK, "client"))
	g.Expect(err).NotTo(HaveOccurred())
	lan.Client.Unplug()
	lost, err := capture.Await(ctx, func(s wire.Segment) bool { return s.Kind == wire.KindKeepaliveProbe && s.Number > probe.Number })
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(capture.Sync(ctx)).To(Succeed())
	g.Expect(lost.Delivered).To(BeFalse())
	t.Logf("\n%v", conversationOf(capture, client))
}

func TestAZeroWindowProbe(t *testing.T) {
	g := NewWithT(t)
	ctx, lan, capture := capturedLAN(t)
	lan.Server.Sysctl("net/ipv4/tcp_rmem", "4096 8192 8192")
	client, _ := lan.Connect(ctx, false)
	g.Expect(client.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))).To(Succeed())
	client.Write(make([]byte, 1<<20)) // fills the window, and stops
	_, err := capture.Await(ctx, kindFrom(wire.KindZeroWindowProbe, "client"))
	g.Expect(err).NotTo(HaveOccurred(), "%v", conversationOf(capture, client))
}

func TestARebootedHostOpensTheSameFourTuple(t *testing.T) {
	g := NewWithT(t)
	ctx, lan, capture := capturedLAN(t)
	listener := lan.Server.Listen(lan.Server.IP4())
	local := netip.AddrPortFrom(lan.Client.IP4(), 40000)
	client, err := lan.Client.Dial(ctx, local, listener.Addr().String())
	g.Expect(err).NotTo(HaveOccurred())
	_, err = listener.Accept()
	g.Expect(err).NotTo(HaveOccurred())
	lan.Client.Reboot()
	_, err = lan.Client.Dial(ctx, local, listener.Addr().String())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(capture.Sync(ctx)).To(Succeed())

	conversation := conversationOf(capture, client)
	connections := conversation.Connections()
	g.Expect(connections).To(HaveLen(2), "%v", conversation)
	g.Expect(story(connections[0].Segments())).To(Equal([]string{"client: SYN", "server: SYN-ACK", "client: handshake ACK"}))
	g.Expect(story(connections[1].Segments())).To(Equal([]string{
		"client: SYN", "server: challenge ACK", "client: RST",
		"client: retransmitted SYN", "server: SYN-ACK", "client: handshake ACK",
	}), "%v", conversation)
	g.Expect(connections[1].Segments()[2].RelSeq).To(Equal(uint32(1)), "the RST is numbered as the connection before")
	g.Expect(conversation.String()).To(ContainSubstring("---- connection 2"))
	t.Logf("\n%v", conversation)
}

func TestAnICMPErrorIsTiedToItsConversation(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		t.Run(fmt.Sprintf("ipv6=%v", ipv6), func(t *testing.T) {
			g := NewWithT(t)
			ctx, lan, capture := capturedLAN(t)
			away, local, gateway := "198.51.100.0/24", lan.Client.IP4(), lan.Server.IP4()
			remote := netip.MustParseAddrPort("198.51.100.7:80")
			lan.Server.Sysctl("net/ipv4/ip_forward", "1")
			if ipv6 {
				away, local, gateway = "2001:db8:1::/64", lan.Client.IP6(), lan.Server.IP6()
				remote = netip.MustParseAddrPort("[2001:db8:1::7]:80")
				lan.Server.Sysctl("net/ipv6/conf/all/forwarding", "1")
			}
			_, network, err := net.ParseCIDR(away)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(lan.Server.Do(func() error {
				return netlink.RouteAdd(&netlink.Route{Dst: network, Type: unix.RTN_UNREACHABLE})
			})).To(Succeed())
			g.Expect(lan.Client.Do(func() error {
				return netlink.RouteAdd(&netlink.Route{Dst: network, Gw: gateway.AsSlice()})
			})).To(Succeed())
			from := netip.AddrPortFrom(local, 40001)
			_, err = lan.Client.Dial(ctx, from, remote.String())
			g.Expect(err).To(HaveOccurred())
			g.Expect(capture.Sync(ctx)).To(Succeed())
			conversation := capture.Conversation(from, remote)
			errors := conversation.ICMPErrors()
			g.Expect(errors).NotTo(BeEmpty(), "%v", conversation)
			g.Expect(errors[0].From).To(Equal("server"))
			g.Expect(errors[0].Reporter).To(Equal(gateway))
			g.Expect([]netip.AddrPort{errors[0].Src, errors[0].Dst}).To(Equal([]netip.AddrPort{from, remote}))
			g.Expect(errors[0].Delivered).To(BeTrue())
			t.Logf("\n%v", conversation)
		})
	}
}

func TestFailedAddressResolutionIsSeen(t *testing.T) {
	g := NewWithT(t)
	ctx, lan, capture := capturedLAN(t)
	for _, nobody := range []string{"192.0.2.9", "2001:db8::9"} {
		local := lan.Client.IP4()
		address := netip.MustParseAddr(nobody)
		if address.Is6() {
			local = lan.Client.IP6()
		}
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		lan.Client.Dial(short, netip.AddrPortFrom(local, 0), netip.AddrPortFrom(address, 80).String())
		g.Expect(capture.Sync(ctx)).To(Succeed())
		g.Expect(capture.Frames()).To(ContainElement(And(
			HaveField("Asks", address), HaveField("Port", "client"), HaveField("Direction", wire.Entering),
			HaveField("Kind", ContainSubstring("who-has "+nobody)),
		)))
	}
}

// A datagram is on the wire when its write returns, so that after Sync it must have been
// decoded. (A write to a TCP socket may wait for the congestion window.)
func TestSyncLeavesNothingBehind(t *testing.T) {
	g := NewWithT(t)
	ctx, lan, capture := capturedLAN(t)
	var socket net.Conn
	g.Expect(lan.Client.Do(func() (err error) {
		socket, err = net.Dial("udp", netip.AddrPortFrom(lan.Bystander.IP4(), 9).String())
		return err
	})).To(Succeed())
	defer socket.Close()
	// A refused connection leaves the bystander's address resolved.
	_, err := lan.Client.Dial(ctx, netip.AddrPortFrom(lan.Client.IP4(), 0), netip.AddrPortFrom(lan.Bystander.IP4(), 9).String())
	g.Expect(err).To(MatchError(unix.ECONNREFUSED))
	for i := range 300 {
		text := fmt.Sprintf("<%d>", i)
		// A refused datagram is reported by a later write, which sends nothing.
		if _, err := socket.Write([]byte(text)); err != nil {
			_, err = socket.Write([]byte(text))
			g.Expect(err).NotTo(HaveOccurred())
		}
		g.Expect(capture.Sync(ctx)).To(Succeed())
		g.Expect(crossed(capture, text)).To(BeTrue(), "%s is missing", text)
	}
}

func crossed(capture *wire.Capture, text string) bool {
	for _, f := range capture.Frames() {
		if f.Delivered && bytes.Contains(f.Data, []byte(text)) {
			return true
		}
	}
	return false
}

func TestAwaitEndsWithItsContextAndWithTheCapture(t *testing.T) {
	g := NewWithT(t)
	ctx, _, capture := capturedLAN(t)
	never := func(wire.Segment) bool { return false }
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err := capture.Await(short, never)
	g.Expect(err).To(MatchError(context.DeadlineExceeded))
	g.Expect(capture.Close()).To(Succeed())
	_, err = capture.Await(ctx, never)
	g.Expect(err).To(MatchError(wire.ErrClosed))
	g.Expect(capture.Sync(ctx)).To(MatchError(wire.ErrClosed))
	g.Expect(capture.Err()).To(Succeed())
	g.Expect(capture.Close()).To(Succeed())
}

func TestPcapngTellsTheStory(t *testing.T) {
	g := NewWithT(t)
	ctx, lan, capture := capturedLAN(t)
	client, server := lan.Connect(ctx, true)
	lan.Client.Unplug()
	capture.Note(mono.Now(), "client: cable unplugged")
	server.Write([]byte("are you there?"))
	_, err := capture.Await(ctx, kindFrom(wire.KindRetransmission, "server"))
	g.Expect(err).NotTo(HaveOccurred())
	capture.Note(mono.Now()+time.Hour, "the end")
	capture.Note(mono.Now()+time.Hour, strings.Repeat("é", 1<<16))
	g.Expect(capture.Sync(ctx)).To(Succeed())
	conversation := conversationOf(capture, client)

	var file bytes.Buffer
	g.Expect(capture.WritePcapng(&file, wire.Meta{Comment: "a lost segment is sent again", Application: "halfopen"})).To(Succeed())
	path := filepath.Join(t.TempDir(), "story.pcapng")
	g.Expect(os.WriteFile(path, file.Bytes(), 0o600)).To(Succeed())

	reader, err := pcapgo.NewNgReader(bytes.NewReader(file.Bytes()), pcapgo.DefaultNgReaderOptions)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reader.SectionInfo().Comment).To(Equal("a lost segment is sent again"))
	var comments []string
	packets := 0
	for {
		_, info, options, err := reader.ReadPacketDataWithOptions()
		if err == io.EOF {
			break
		}
		g.Expect(err).NotTo(HaveOccurred())
		packets++
		g.Expect(time.Since(info.Timestamp)).To(BeNumerically("<", time.Minute))
		comments = append(comments, options.Comments...)
		port, err := reader.Interface(info.InterfaceIndex)
		g.Expect(err).NotTo(HaveOccurred())
		for _, s := range conversation.Segments() {
			if s.Number == packets {
				g.Expect(port.Name).To(Equal(s.From))
			}
		}
	}
	g.Expect(comments).To(ContainElements(
		MatchRegexp(`^\+\d+\.\d{6} s  client: cable unplugged$`),
		HavePrefix("not delivered"),
		HaveSuffix("s  the end"),
	))

	recording, err := wire.ReadPcapng(bytes.NewReader(file.Bytes()))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(recording.Comment).To(Equal("a lost segment is sent again"))
	g.Expect(recording.Hosts).To(Equal([]string{"client", "server", "bystander"}))
	g.Expect(recording.Routers).To(BeEmpty())
	g.Expect(story(recording.Segments)).To(Equal(story(conversation.Segments())))
	for i, s := range conversation.Segments() {
		read := recording.Segments[i]
		g.Expect([]any{read.Number, read.RelSeq, read.RelAck, read.Len, read.Window, read.Copy, read.DeliveredTo}).To(
			Equal([]any{s.Number, s.RelSeq, s.RelAck, s.Len, s.Window, s.Copy, s.DeliveredTo}), "segment %d", s.Number)
	}
	g.Expect(recording.Notes).To(HaveLen(3))
	g.Expect(recording.Notes[0].Text).To(Equal("client: cable unplugged"))

	if _, err := exec.LookPath("tshark"); err != nil {
		t.Log("tshark is not installed: not read by it")
		return
	}
	out, err := exec.Command("tshark", "-r", path, "-T", "fields", "-e", "frame.number", "-e", "frame.interface_name", "-e", "frame.comment", "-e", "_ws.col.Info").CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), "%s", out)
	g.Expect(string(out)).To(MatchRegexp(`(?m)^\d+\tserver\t.*client: cable unplugged,not delivered`))
	g.Expect(string(out)).To(ContainSubstring("[TCP Retransmission]"))
	g.Expect(strings.Count(string(out), "[TCP Retransmission]")).To(Equal(1), "%s", out)
	for _, line := range strings.Split(string(out), "\n") {
		t.Logf("%.160s", line)
	}
}

func TestPcapngOfAnEmptyCaptureKeepsItsNotes(t *testing.T) {
	g := NewWithT(t)
	var capture *wire.Capture
	var err error
	rig.New(t, func(string, int) {}, func() error { capture, err = wire.Open(); return err })
	defer capture.Close()
	capture.Note(mono.Now(), "nothing crossed")
	var file bytes.Buffer
	g.Expect(capture.WritePcapng(&file, wire.Meta{Comment: "silence"})).To(Succeed())
	recording, err := wire.ReadPcapng(bytes.NewReader(file.Bytes()))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(recording.Comment).To(Equal("silence"))
	g.Expect(recording.Notes).To(HaveLen(1))
	g.Expect(recording.Hosts).To(BeEmpty())
	reader, err := pcapgo.NewNgReader(&file, pcapgo.DefaultNgReaderOptions)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reader.SectionInfo().Comment).To(MatchRegexp(`^silence\n.*nothing crossed$`))
}

func TestWhatIsNoCaptureIsRefused(t *testing.T) {
	g := NewWithT(t)
	for _, text := range []string{"", "x", "no capture at all", strings.Repeat("\x0a\x0d\x0d\x0a", 8)} {
		_, err := wire.ReadPcapng(strings.NewReader(text))
		g.Expect(err).To(MatchError(wire.ErrNotRecording), "%q", text)
	}
}
