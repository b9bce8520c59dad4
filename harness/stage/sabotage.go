package stage

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/wire"
)

// A sabotage takes the behaviour away that a claim states, behind the spec's back, to see that the
// spec fails (fixtures/claims.yaml lists which for each claim). Those that stand in for a fault are
// where the fault is; the others are here.

func (s *scene) sabotaged(name string) bool { return s.sabotage == name }

// swallowed are the segments that a sabotage of the switch drops, in both directions.
var swallowed = map[string]lab.Traffic{
	"drop-fin": lab.FINs, "drop-rst": lab.RSTs, "drop-data": lab.Data,
	"drop-ack": lab.ACKs, "drop-probe": lab.ACKs, "drop-all": lab.All,
}

// sysctls are the settings that a sabotage changes on both hosts once the spec has read them.
var sysctls = map[string]map[string]int{
	"retries2-up":                {"net.ipv4.tcp_retries2": 14},
	"retries2-down":              {"net.ipv4.tcp_retries2": 0},
	"fin-timeout-up":             {"net.ipv4.tcp_fin_timeout": 30},
	"early-retrans-off":          {"net.ipv4.tcp_early_retrans": 0},
	"mtu-probing-on":             {"net.ipv4.tcp_mtu_probing": 1},
	"keepalive-defaults-changed": {"net.ipv4.tcp_keepalive_time": 7, "net.ipv4.tcp_keepalive_intvl": 7, "net.ipv4.tcp_keepalive_probes": 7},
}

// withheldSysctls are the settings that a sabotage keeps a spec from changing.
var withheldSysctls = map[string]string{
	"rto-max-up":    "net.ipv4.tcp_rto_max_ms",
	"rto-min-up":    "net.ipv4.tcp_rto_min_us",
	"timestamps-on": "net.ipv4.tcp_timestamps",

	"mtu-probing-off": "net.ipv4.tcp_mtu_probing",
}

// withheldOptions are the socket options that a sabotage keeps from being set.
var withheldOptions = map[string][2]int{
	"keepalive-off":    {unix.SOL_SOCKET, unix.SO_KEEPALIVE},
	"user-timeout-off": {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT},
	"rto-max-up":       {unix.IPPROTO_TCP, unix.TCP_RTO_MAX_MS},
}

func (s *scene) withheld(level, name int) bool {
	if l, n := recvErr(s.identity.Family); s.sabotaged("recverr-off") && level == l && name == n {
		return true
	}
	option, ok := withheldOptions[s.sabotage]
	return ok && option == [2]int{level, name}
}

// sabotageEstablished strikes once the connection is there and the spec knows the settings.
func (s *scene) sabotageEstablished(ctx context.Context, conn *Connection) {
	GinkgoHelper()
	s.sabotagePath(conn.Client.Host, conn.Server.Host)
	for _, end := range []*End{conn.Client, conn.Server} {
		for name, value := range sysctls[s.sabotage] {
			end.Host.SetSysctl(name, value)
		}
		switch s.sabotage {
		case "keepalive-on":
			end.sabotageKeepalive(ctx)
		case "user-timeout-on":
			end.UserTimeout(ctx, 300*time.Millisecond)
		case "rto-max-down": // the sysctl is read when a socket is made
			requireFeature(end.Host.lab.Do(func() error { return s.check("TCP_RTO_MAX_MS") }))
			mustStage(end.socket.SetInt(ctx, unix.IPPROTO_TCP, unix.TCP_RTO_MAX_MS, 1000))
		case "holder":
			end.Fork(ctx)
		}
	}
}

// sabotagePath strikes the path between two hosts, in both directions.
func (s *scene) sabotagePath(a, b *Host) {
	GinkgoHelper()
	if traffic, ok := swallowed[s.sabotage]; ok {
		a.Blackhole(b, traffic)
		b.Blackhole(a, traffic)
	}
}

// sabotageKeepalive sets SO_KEEPALIVE with 1 s, 1 s and one probe.
func (e *End) sabotageKeepalive(ctx context.Context) {
	GinkgoHelper()
	mustStage(e.socket.SetInt(ctx, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1))
	for _, option := range []int{unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL, unix.TCP_KEEPCNT} {
		mustStage(e.socket.SetInt(ctx, unix.IPPROTO_TCP, option, 1))
	}
}

// sabotageFault strikes when the first fault has been set: at every end but those of the process or
// host that the fault has hit.
func (s *scene) sabotageFault(hit func(*End) bool) {
	GinkgoHelper()
	if s.struck {
		return
	}
	s.struck = true
	for _, end := range s.ends {
		if hit(end) {
			continue
		}
		switch s.sabotage {
		case "destroy-survivor":
			// The RST that the first socket's end sends may have ended the other already.
			if err := end.Host.lab.DestroySocket(end.local, end.remote); !errors.Is(err, unix.ENOENT) {
				s.mustStageWith(err, "SOCK_DESTROY")
			}
		case "close-survivor":
			mustStage(end.socket.Close(context.Background()))
		case "inject-rst":
			end.injectReset()
		}
	}
}

// injectReset lets a RST reach the end that looks as if its peer had sent it.
func (e *End) injectReset() {
	GinkgoHelper()
	s := e.Host.scene
	mustStage(s.lab.Wire().Sync(context.Background()))
	var next uint32 // the end's RCV.NXT: RFC 5961 takes no other sequence number
	for _, segment := range s.lab.Wire().Segments() {
		switch {
		case segment.Dst != e.local || !segment.Delivered:
		case segment.Flags.Has(wire.FlagSYN):
			next = segment.Seq + 1
		case segment.Seq == next:
			next += uint32(segment.Len)
			if segment.Flags.Has(wire.FlagFIN) {
				next++
			}
		}
	}
	mustStage(s.lab.InjectReset(e.Host.lab, e.remote, e.local, next))
}

// beforeDeath is what a sabotage does to a process that is about to die.
func (p *Process) beforeDeath() {
	GinkgoHelper()
	ctx := context.Background()
	for _, end := range p.host.scene.ends {
		switch {
		case end.Process == p && p.host.scene.sabotaged("read-data"):
			end.Read(ctx)
		case end.Process != p && p.host.scene.sabotaged("unread-data"):
			end.Write(ctx, "never read")
			p.host.scene.settle(ctx)
		}
	}
}

// tooEarly undoes a fault long before the spec does.
func (s *scene) tooEarly(sabotage string, undo func() error) {
	if s.sabotaged(sabotage) {
		time.AfterFunc(100*time.Millisecond, func() { _ = undo() })
	}
}
