package stage

import (
	"context"
	"errors"
	"time"

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
	"orphan-retries-up":          {"net.ipv4.tcp_orphan_retries": 7},
	"invalid-ratelimit-off":      {"net.ipv4.tcp_invalid_ratelimit": 0},
	"early-retrans-off":          {"net.ipv4.tcp_early_retrans": 0},
	"mtu-probing-on":             {"net.ipv4.tcp_mtu_probing": 1},
	"keepalive-defaults-changed": {"net.ipv4.tcp_keepalive_time": 7, "net.ipv4.tcp_keepalive_intvl": 7, "net.ipv4.tcp_keepalive_probes": 7},
}

// withheldSysctls are the settings that a sabotage keeps a spec from changing.
var withheldSysctls = map[string]string{
	"rto-max-up":    "net.ipv4.tcp_rto_max_ms",
	"rto-min-up":    "net.ipv4.tcp_rto_min_us",
	"timestamps-on": "net.ipv4.tcp_timestamps",
	"tw-reuse-off":  "net.ipv4.tcp_tw_reuse",
	"rfc1337-off":   "net.ipv4.tcp_rfc1337",

	"syn-linear-on":         "net.ipv4.tcp_syn_linear_timeouts",
	"abort-on-overflow-off": "net.ipv4.tcp_abort_on_overflow",
	"mtu-probing-off":       "net.ipv4.tcp_mtu_probing",
	"challenge-limit-up":    "net.ipv4.tcp_challenge_ack_limit",
}

// handshakeSysctls are the settings that a sabotage changes on both hosts before a connection that the
// spec watches being opened, once the spec has read them.
var handshakeSysctls = map[string]map[string]int{
	"syn-retries-down":    {"net.ipv4.tcp_syn_retries": 1},
	"synack-retries-down": {"net.ipv4.tcp_synack_retries": 1},
}

// forcedSysctls are the values that a sabotage puts in the place of those a spec sets.
var forcedSysctls = map[string]map[string]int{
	"tw-reuse-on": {"net.ipv4.tcp_tw_reuse": 1},
}

// withheldOptions are the socket options that a sabotage keeps from being set.
var withheldOptions = map[string][2]int{
	"keepalive-off":    {unix.SOL_SOCKET, unix.SO_KEEPALIVE},
	"user-timeout-off": {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT},
	"rto-max-up":       {unix.IPPROTO_TCP, unix.TCP_RTO_MAX_MS},
	"linger2-off":      {unix.IPPROTO_TCP, unix.TCP_LINGER2},
	"syncnt-off":       {unix.IPPROTO_TCP, unix.TCP_SYNCNT},
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
	s.sabotagePath(conn.Client.Host, conn.Server.Host)
	for _, end := range []*End{conn.Client, conn.Server} {
		for name, value := range sysctls[s.sabotage] {
			end.Host.SetSysctl(name, value)
		}
		if end.Program != nil {
			continue // its socket is its own
		}
		switch s.sabotage {
		case "keepalive-on":
			end.sabotageKeepalive(ctx)
		case "user-timeout-on":
			end.UserTimeout(ctx, 300*time.Millisecond)
		case "rto-max-down": // the sysctl is read when a socket is made
			requireFeature(end.Host.lab.Check("TCP_RTO_MAX_MS"))
			mustStage(end.socket.SetInt(ctx, unix.IPPROTO_TCP, unix.TCP_RTO_MAX_MS, 1000))
		case "holder":
			end.Fork(ctx)
		}
	}
}

// sabotageTracked strikes when the spec has begun to watch the router's entry of a connection.
func (r *Router) sabotageTracked(conn *Connection) {
	switch r.scene.sabotage {
	case "router-forgets":
		r.Forget(conn)
	case "router-remembers":
		// The timeout is written into the entry with each segment, so it takes one more after this.
		r.SetSysctl("net.netfilter.nf_conntrack_tcp_timeout_established", 7*24*3600)
		ctx := context.Background()
		conn.Client.Write(ctx, "remember me")
		conn.Client.Acknowledged(ctx)
	}
}

// sabotageHandshake strikes before a connection that the spec watches being opened.
func (s *scene) sabotageHandshake(client, server *Host) {
	s.sabotagePath(client, server)
	for _, host := range []*Host{client, server} {
		for name, value := range handshakeSysctls[s.sabotage] {
			if host.lab.Up() {
				host.SetSysctl(name, value)
			}
		}
	}
}

// sabotagePath strikes the path between two hosts, in both directions, once.
func (s *scene) sabotagePath(a, b *Host) {
	if s.swallowing {
		return
	}
	s.swallowing = true
	if traffic, ok := swallowed[s.sabotage]; ok {
		a.Blackhole(b, traffic)
		b.Blackhole(a, traffic)
	}
}

// sabotageKeepalive sets SO_KEEPALIVE with 1 s, 1 s and one probe.
func (e *End) sabotageKeepalive(ctx context.Context) {
	mustStage(e.socket.SetInt(ctx, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1))
	for _, option := range []int{unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL, unix.TCP_KEEPCNT} {
		mustStage(e.socket.SetInt(ctx, unix.IPPROTO_TCP, option, 1))
	}
}

// sabotageFault strikes when the first fault has been set since there is a connection: at every end but
// those of the process or host that the fault has hit.
func (s *scene) sabotageFault(hit func(*End) bool) {
	if s.struck || len(s.ends) == 0 {
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
			if end.Program != nil {
				continue
			}
			mustStage(end.socket.Close(context.Background()))
		case "inject-rst":
			end.injectReset()
		}
	}
}

// ForgeReset lets a RST reach the end that looks as if its peer had sent it.
func (e *End) ForgeReset(ctx context.Context) {
	if e.Host.scene.sabotaged("drop-rst") {
		return
	}
	e.injectReset()
}

// injectReset lets a RST reach the end that looks as if its peer had sent it.
func (e *End) injectReset() {
	mustStage(e.Host.scene.lab.InjectReset(e.Host.lab, e.remote, e.local, e.next()))
}

// next is the end's RCV.NXT, the only sequence number of a RST that RFC 5961 takes.
func (e *End) next() (next uint32) {
	s := e.Host.scene
	mustStage(s.lab.Wire().Sync(context.Background()))
	for _, segment := range s.lab.Wire().Segments() {
		switch {
		case segment.Reached() != e.local || !segment.Delivered:
		case segment.Flags.Has(wire.FlagSYN):
			next = segment.Seq + 1
		case segment.Seq == next:
			next += uint32(segment.Len)
			if segment.Flags.Has(wire.FlagFIN) {
				next++
			}
		}
	}
	return next
}

// beforeDeath is what a sabotage does to a process that is about to die.
func (p *Process) beforeDeath() {
	ctx := context.Background()
	for _, end := range p.host.scene.ends {
		switch {
		case end.Program != nil:
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
