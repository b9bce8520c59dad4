package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega/format"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/spec"
	"github.com/halfopen/halfopen/harness/wire"
)

// scene is what one spec has set up: its lab and what it must know to judge and to report.
type scene struct {
	lab      *lab.Lab
	hosts    []*Host
	identity Identity
	claim    claim.Claim
	profile  kernel.Profile
	running  kernel.Info
	sabotage string
	ends     []*End
	struck   bool // the sabotage of a fault has been done

	rebooting, rebooted time.Duration // by a Fault

	swallowing bool // the sabotage of the path has been done
}

// Pair sets the stage for the spec that calls it: two hosts, "client" and "server", joined by a
// switch, in the family and profile the spec runs in. It is taken down when the spec ends.
//
// A kernel without the feature that the claim names makes the spec unsupported; one that should
// have it and has not fails it.
func Pair(ctx context.Context) (client, server *Host) {
	return pair(environment().profile)
}

// PairAsShipped is Pair with hosts that have the kernel's own timeouts, whatever the profile.
func PairAsShipped(ctx context.Context) (client, server *Host) {
	return pair(kernel.Defaults)
}

func pair(hosts kernel.Profile) (client, server *Host) {
	s := newScene(hosts)
	powerOn("client", "server")
	client, server = s.addHost("client"), s.addHost("server")
	outlastBoot(client, server)
	s.lengthen(hosts, client, server)
	s.requireFeatures(client)
	s.requireFeatures(server)
	send(Message{Staged: true})
	return client, server
}

// lengthen gives the hosts the retransmission timeout that a custom profile's path would lead to. The lab's
// path has no length, so the floor of the route takes its place: it is added to a round trip of microseconds,
// which is rounded up to one jiffy (__tcp_set_rto).
func (s *scene) lengthen(profile kernel.Profile, hosts ...*Host) {
	custom, _ := profile.Custom()
	if custom.RTO == 0 {
		return
	}
	for _, host := range hosts {
		host.RouteMinimumRTO(custom.RTO - host.wheel().Jiffy())
	}
}

// newScene builds the lab; the profile of its hosts is most often the one the spec runs in.
func newScene(hosts kernel.Profile) *scene {
	format.UseStringerRepresentation = true // a failure says ESTABLISHED and not 1
	id := Identify(CurrentSpecReport())
	settings := environment()
	proved, err := claimOf(id.Claim)
	mustStage(err)
	if proved.Profile != "" && proved.Profile != string(settings.profile) {
		unsupported(fmt.Sprintf("proved with `--profile %s` alone", proved.Profile))
	}
	if machines, err := theMachines(); proved.Machines && machines == nil {
		mustStage(err)
		unsupported("proved by `halfopen pairs` alone, with virtual machines for hosts")
	}
	running, err := kernel.Running()
	mustStage(err)
	s := &scene{identity: id, claim: proved, profile: settings.profile, running: running, sabotage: settings.sabotage}
	s.lab, err = lab.New(hosts)
	s.mustStageWith(err, "net-namespace", "bridge", "packet-socket")
	s.lab.Over(id.Family)
	DeferCleanup(func(ctx SpecContext) { s.strike(ctx, settings.out) })
	return s
}

func (s *scene) addHost(name string) *Host {
	return s.host(s.plug(name))
}

// host is a host that was just added to the lab.
func (s *scene) host(host *lab.Host, err error) *Host {
	s.mustStageWith(err, "veth")
	if s.sabotaged("timestamps-off") {
		mustStage(host.SetSysctl("net.ipv4.tcp_timestamps", "0"))
	}
	its, err := host.Kernel()
	mustStage(err)
	added := &Host{scene: s, lab: host, kernel: its}
	s.hosts = append(s.hosts, added)
	return added
}

// strike leaves the evidence behind and takes the stage down.
func (s *scene) strike(ctx context.Context, out string) {
	err := s.lab.Wire().Sync(ctx)
	failed := CurrentSpecReport().Failed()
	if failed {
		s.describe()
	}
	s.lab.Note("the spec ends")
	file := s.identity.FileName() + ".pcapng"
	switch {
	case out != "":
		err = errors.Join(err, s.record(filepath.Join(out, file)))
		AddReportEntry(pcapngEntry, file, ReportEntryVisibilityNever)
	case failed:
		folder, tempErr := os.MkdirTemp("", "halfopen-")
		path := filepath.Join(folder, file)
		err = errors.Join(err, tempErr, s.record(path))
		AddReportEntry("packets", path)
	}
	mustStage(errors.Join(err, s.lab.Close()))
}

func (s *scene) record(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("cannot write the packets: %w", err)
	}
	title := fmt.Sprintf("%s over IPv%d on Linux %s: %s", s.claim.ID, s.identity.Family, s.released(), s.claim.Text)
	return errors.Join(s.lab.Wire().WritePcapng(file, wire.Meta{Comment: title}), file.Close())
}

// released is the running kernel's release, or the releases of the two hosts' where these are machines.
func (s *scene) released() string {
	if machines, _ := theMachines(); machines == nil || len(s.hosts) != 2 {
		return s.running.Release
	}
	return s.hosts[0].kernel.Release + " > " + s.hosts[1].kernel.Release
}

// Elapse lets time pass in which nothing is done: the only wait that is not for an event, because
// it proves that there is none.
func Elapse(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		spec.Fail(fmt.Sprintf("interrupted while %s of silence went by: %v", d, context.Cause(ctx)))
	}
}
