package stage

import (
	"context"
	"fmt"
	"strconv"
	"time"

	gomega "github.com/onsi/gomega/types"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/mono"
	"github.com/halfopen/halfopen/harness/spec"
	"github.com/halfopen/halfopen/harness/timing"
)

// Router is the host in the middle. It forwards every segment until it is told otherwise.
type Router struct {
	scene *scene
	lab   *lab.Router
}

// RoutedPair is Pair with a router between the two hosts, each of them on a network of its own. What the
// router drops is not delivered, and the record says that it has reached the router.
func RoutedPair(ctx context.Context) (client *Host, router *Router, server *Host) {
	return routedPair(environment().profile)
}

// RoutedPairAsShipped is RoutedPair with the kernel's own timeouts on every host, whatever the profile.
func RoutedPairAsShipped(ctx context.Context) (client *Host, router *Router, server *Host) {
	return routedPair(kernel.Defaults)
}

func routedPair(hosts kernel.Profile) (client *Host, router *Router, server *Host) {
	s := newScene(hosts)
	added, err := s.lab.AddRouter("router")
	s.mustStageWith(err, "veth", "bridge")
	router = &Router{scene: s, lab: added}
	client, server = s.addHost("client"), s.host(added.AddHostBehind("server"))
	s.requireFeatures(client)
	send(Message{Staged: true})
	return client, router, server
}

// Name is the router's, so that it can be named where packets are matched.
func (r *Router) Name() string { return r.lab.Name() }

func (r *Router) String() string { return r.lab.Name() }

// Firewall makes the router drop every TCP segment that belongs to no connection it tracks and does not
// begin one from the client's network.
func (r *Router) Firewall() {
	if r.scene.sabotaged("router-rejects") {
		r.firewall(&lab.WithReset)
		return
	}
	r.firewall(nil)
}

// FirewallRejecting makes the router answer those segments instead of dropping them.
func (r *Router) FirewallRejecting(answer lab.Answer) {
	if r.scene.sabotaged("router-drops") {
		r.firewall(nil)
		return
	}
	r.firewall(&answer)
}

func (r *Router) firewall(answer *lab.Answer) {
	r.scene.mustStageWith(r.lab.Firewall(answer), "nf_tables-inet", "nf_tables-ct", "nf_tables-reject")
	if r.scene.sabotaged("conntrack-changed") {
		r.setTimeout("established", time.Hour)
	}
	r.setLoose(!r.scene.sabotaged("loose-off"))
}

// Masquerade makes the router a NAT that puts its own address in the place of the client's and keeps
// the client's port.
func (r *Router) Masquerade() {
	r.translate(r.scene.sabotaged("port-drawn"))
}

// TranslatePorts makes the router a NAT that draws a port for each entry, from a range to which the
// client's does not belong.
func (r *Router) TranslatePorts() {
	r.translate(!r.scene.sabotaged("port-kept"))
}

func (r *Router) translate(draw bool) {
	var err error
	if draw {
		err = r.lab.TranslatePorts(1024, clientPort-1)
	} else {
		err = r.lab.Masquerade()
	}
	r.scene.mustStageWith(err, "nf_tables-inet", "nf_tables-masq", "nf_tables-nat")
	r.setLoose(!r.scene.sabotaged("loose-off"))
}

// KnowsNoPickup makes a segment from the middle of a connection that the router does not know invalid,
// where it would begin an entry (nf_conntrack_tcp_loose).
func (r *Router) KnowsNoPickup() {
	r.setLoose(r.scene.sabotaged("loose-on"))
}

func (r *Router) setLoose(loose bool) {
	value := 0
	if loose {
		value = 1
	}
	r.SetSysctl("net.netfilter.nf_conntrack_tcp_loose", value)
}

// SetSysctl changes a sysctl of the router.
func (r *Router) SetSysctl(name string, value int) {
	mustStage(r.lab.SetSysctl(name, strconv.Itoa(value)))
}

// Swallow makes the router drop part of what comes to it from a host, until the filter is removed.
func (r *Router) Swallow(from *Host, traffic lab.Traffic) *Filter {
	filter, err := r.lab.Swallow(from.lab, traffic)
	r.scene.mustStageWith(err, "nf_tables-inet")
	r.scene.sabotageFault(func(*End) bool { return false })
	r.scene.tooEarly("replug-early", filter.Remove)
	return &Filter{lab: filter}
}

// Conntrack is how the router's connection tracking is set.
func (r *Router) Conntrack() (settings kernel.Conntrack) {
	err := r.lab.Do(func() (err error) {
		settings, err = kernel.ReadConntrack()
		return err
	})
	r.scene.mustStageWith(err, "nf_tables-ct")
	return settings
}

// ForgetIdleSoon gives the router an idle timeout that a spec can wait for, and returns it: the profile's,
// or with the kernel's defaults the least that RFC 5382 allows a NAT. The kernel's own of five days
// costs a guest two minutes of computing.
func (r *Router) ForgetIdleSoon() time.Duration {
	if r.scene.profile == kernel.Defaults {
		r.SetIdleTimeout(LeastNATTimeout)
	}
	return r.Conntrack().Established
}

// LeastNATTimeout is the shortest time after which a NAT may forget an idle connection (RFC 5382 REQ-5).
const LeastNATTimeout = 2*time.Hour + 4*time.Minute

// SetIdleTimeout sets how long the router knows an idle connection, in whole seconds.
func (r *Router) SetIdleTimeout(timeout time.Duration) { r.setTimeout("established", timeout) }

// ForgetUnansweredSoon gives the router a timeout for unacknowledged data, and the same for data that was
// retransmitted thrice, that a spec can wait for, and returns it: the one given, or with the kernel's
// defaults its own. An acknowledged connection is kept for an hour.
func (r *Router) ForgetUnansweredSoon(scaled time.Duration) time.Duration {
	if r.scene.profile != kernel.Defaults {
		r.SetIdleTimeout(time.Hour)
		r.setTimeout("unacknowledged", scaled)
		r.setTimeout("max_retrans", scaled)
	}
	if r.scene.sabotaged("unanswered-remembered") {
		defer r.setTimeout("unacknowledged", time.Hour) // both, or the shorter of them would decide
		defer r.setTimeout("max_retrans", time.Hour)
	}
	return r.Conntrack().Unacknowledged
}

func (r *Router) setTimeout(name string, timeout time.Duration) {
	r.SetSysctl("net.netfilter.nf_conntrack_tcp_timeout_"+name, int(timeout.Seconds()))
}

// ForgeReset lets a RST come to the router that looks as if the client had sent it, with a sequence number
// that is so many bytes beyond what the server expects next.
func (r *Router) ForgeReset(conn *Connection, beyond int) (at time.Duration) {
	if r.scene.sabotaged("exact-rst") {
		beyond = 0
	}
	at = mono.Now()
	mustStage(r.lab.InjectReset(conn.Client.local, conn.Client.remote, conn.Server.next()+uint32(beyond)))
	return at
}

// Entry is what the router knows of the connection.
func (r *Router) Entry(conn *Connection) lab.Entry {
	entry, err := r.lab.Entry(conn.Client.local, conn.Client.remote)
	r.scene.mustStageWith(err, "conntrack-netlink")
	return entry
}

// Forget deletes what the router knows of the connection, as `conntrack -D` does. It returns the moment
// just before.
func (r *Router) Forget(conn *Connection) (at time.Duration) {
	at = mono.Now()
	if !r.scene.sabotaged("router-remembers") {
		r.scene.mustStageWith(r.lab.Forget(conn.Client.local, conn.Client.remote), "conntrack-netlink")
	}
	r.scene.sabotageFault(func(*End) bool { return false })
	return at
}

// Expire waits until the router has forgotten the connection because it was idle for so long, and
// expects that it does so inside the model's window and not before. It returns how long after its last
// segment the connection was found forgotten. The router may be set to another time by now: the timeout is
// written into an entry with each segment.
func (r *Router) Expire(ctx context.Context, conn *Connection, timeout time.Duration) (after time.Duration) {
	r.sabotageTracked(conn)
	entered, left := r.lastForwarded(ctx, conn)
	model := timing.Tracked{Timeout: timeout, Wheel: r.scene.wheel()}.Forgotten()
	earliest, latest := entered+model.Floor, left+model.Ceiling
	// Two looks at an entry that must be there, one long before and one right before it may be gone, and
	// one at an entry that must be. Each counts by its own times, however late it comes.
	for _, look := range []time.Duration{entered + model.Floor/2, earliest - lookBeforeExpiry, latest} {
		Elapse(ctx, look-mono.Now())
		entry := r.Entry(conn)
		switch {
		case entry.State == lab.NoEntry && entry.At < earliest:
			spec.Fail(fmt.Sprintf("the %s has forgotten the connection within %s of its last segment, and was to know it for %s", r, entry.At-left, model))
		case entry.State != lab.NoEntry && entry.Asked >= latest:
			spec.Fail(fmt.Sprintf("the %s knows the connection as %s %s after its last segment, and was to forget it after %s", r, entry.State, entry.Asked-entered, model))
		case entry.State == lab.NoEntry && after == 0:
			after = entry.At - entered
		}
	}
	r.scene.lab.Note("%s: the entry of the connection has expired", r)
	r.scene.sabotageFault(func(*End) bool { return false })
	return after
}

// Life is what an entry has left to live, with how long ago the segment was that set it.
type Life struct {
	Entry            lab.Entry
	youngest, eldest time.Duration // bounds of the entry's age
	wheel            timing.Wheel
}

func (l Life) String() string {
	return fmt.Sprintf("the entry is %s and has %s left, %s after the segment that set it", l.Entry.State, l.Entry.Expires, l.eldest)
}

// Life is what the router's entry of the connection has left to live now.
func (r *Router) Life(ctx context.Context, conn *Connection) Life {
	for {
		entered, left := r.lastForwarded(ctx, conn)
		entry := r.Entry(conn)
		if _, again := r.lastForwarded(ctx, conn); again == left {
			return Life{Entry: entry, youngest: entry.Asked - left, eldest: entry.At - entered, wheel: r.scene.wheel()}
		}
	}
}

// BeSetTo matches the Life of an entry that the last segment gave so long to live.
func BeSetTo(timeout time.Duration) gomega.GomegaMatcher {
	return matcher(fmt.Sprintf("be set to %s", timeout), func(l Life) bool {
		model := timing.Tracked{Timeout: timeout, Wheel: l.wheel}
		return l.Entry.State != lab.NoEntry &&
			l.Entry.Expires >= model.Left(l.eldest).Floor && l.Entry.Expires <= model.Left(l.youngest).Ceiling
	})
}

// lookBeforeExpiry is how long before the earliest moment of an expiry the entry is looked at: more than it
// takes to look.
const lookBeforeExpiry = 20 * time.Millisecond

// lastForwarded is when the connection's last segment that the router sent on left its host, and when
// it reached the other: between the two the router had it.
func (r *Router) lastForwarded(ctx context.Context, conn *Connection) (entered, left time.Duration) {
	for _, segment := range conn.Wire(ctx).Segments() {
		if segment.Router == r.Name() && segment.Delivered {
			entered, left = segment.At, segment.DeliveredAt
		}
	}
	return entered, left
}
