package stage

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/machine"
	"github.com/halfopen/halfopen/harness/vm"
)

// machinesEnv has the table of the hosts that are machines: Machines, by the hosts' names. All others are
// network namespaces of this machine's kernel.
const machinesEnv = "HALFOPEN_MACHINES"

// Machine is how a host that is one is to be started.
type Machine struct {
	Kernel vm.Kernel `json:"kernel"`
	Job    []byte    `json:"job"` // for the program, in which it comes to machine.Serve
	Seed   uint64    `json:"seed"`
}

// Machines makes processes of this program run specs with machines for hosts: a setting of the environment.
func Machines(hosts map[string]Machine) (string, error) {
	table, err := json.Marshal(hosts)
	return machinesEnv + "=" + string(table), err
}

// theMachines are those of this process, off at first. One is host of one lab after another, as long as it
// is none the worse for it.
var theMachines = sync.OnceValues(func() (map[string]*machine.Machine, error) {
	table := os.Getenv(machinesEnv)
	if table == "" {
		return nil, nil
	}
	var hosts map[string]Machine
	if err := json.Unmarshal([]byte(table), &hosts); err != nil {
		return nil, fmt.Errorf("cannot understand %s: %w", machinesEnv, err)
	}
	machines := map[string]*machine.Machine{}
	for name, m := range hosts {
		machines[name] = machine.New(name, m.Kernel, m.Job, m.Seed)
	}
	return machines, nil
})

// plug adds a host of that name to the lab, as the table says what it is.
func (s *scene) plug(name string) (*lab.Host, error) {
	machines, err := theMachines()
	if err != nil {
		return nil, err
	}
	if m := machines[name]; m != nil {
		return s.lab.AddMachine(name, m)
	}
	return s.lab.AddHost(name)
}

// outlastBoot makes the hosts of a lab with machines wait for a crashed one for as long as a kernel takes to
// boot, which is 4 s on an idle processor and 10 on a busy one; the scaled profile would give up before.
func outlastBoot(hosts ...*Host) {
	machines, err := theMachines()
	mustStage(err)
	if machines == nil {
		return
	}
	for _, host := range hosts {
		host.SetSysctl("net.ipv4.tcp_retries2", 6)          // the last copy leaves 12.6 s after the write, and it is given up at 25
		host.SetSysctl("net.ipv4.tcp_keepalive_probes", 12) // a dead peer is found after 13 s
	}
}

// powerOn starts the machines that will be the lab's hosts, so that their kernels boot side by side.
func powerOn(names ...string) {
	machines, err := theMachines()
	mustStage(err)
	for i, name := range names {
		if m := machines[name]; m != nil {
			m.Start(lab.MAC(i + 1))
		}
	}
}
