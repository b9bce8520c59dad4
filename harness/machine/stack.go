package machine

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/lab"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/process/role"
	"github.com/halfopen/halfopen/harness/socket"
)

// stack is a network stack of the machine's kernel.
type stack struct {
	machine *Machine
	client  *client
}

var _ lab.Stack = stack{}

func get[R any](s stack, m method, with any) (R, error) {
	return ask[R](context.Background(), s.client, m, with)
}

func (s stack) tell(m method, with any) error {
	_, err := get[nothing](s, m, with)
	return err
}

// here turns a time of the guest's into this machine's.
func (s stack) here(at time.Duration) time.Duration {
	at, _ = s.client.clock.here(at)
	return at
}

func (s stack) Kernel() (kernel.Info, error) { return get[kernel.Info](s, kernelOf, nil) }

func (s stack) Check(name string) error {
	feature, err := kernel.FeatureNamed(name)
	if err != nil {
		return err
	}
	running, err := s.Kernel()
	if err != nil {
		return err
	}
	v, err := get[verdict](s, check, name)
	switch {
	case err != nil:
		return err
	case v.Unsupported:
		return &kernel.Unsupported{Feature: feature, Release: running.Release}
	case v.Missing:
		return &kernel.Missing{Feature: feature, Release: running.Release}
	}
	return nil
}

func (s stack) Configure(addresses []netip.Prefix, gateways []netip.Addr) error {
	return s.tell(configure, configuration{addresses, gateways})
}

func (s stack) NoticeCarrier() error                 { return s.tell(noticeCarrier, nil) }
func (s stack) SetLink(up bool) error                { return s.tell(setLink, up) }
func (s stack) AddAddress(prefix netip.Prefix) error { return s.tell(addAddress, prefix) }
func (s stack) RemoveAddress(p netip.Prefix) error   { return s.tell(removeAddress, p) }
func (s stack) ForgetNeighbours() error              { return s.tell(forget, nil) }
func (s stack) RemoveRoute(of netip.Prefix) error    { return s.tell(removeRoute, of) }
func (s stack) AddDefaultRoute(family int) error     { return s.tell(addDefault, family) }
func (s stack) SetSysctl(name, value string) error   { return s.tell(setSysctl, setting{name, value}) }
func (s stack) SysctlInt(name string) (int, error)   { return get[int](s, sysctlInt, name) }
func (s stack) Timeouts() (kernel.Timeouts, error)   { return get[kernel.Timeouts](s, timeouts, nil) }
func (s stack) Counters() (socket.Counters, error)   { return get[socket.Counters](s, counters, nil) }
func (s stack) IPv6Counters() (socket.Counters, error) {
	return get[socket.Counters](s, ipv6Counters, nil)
}
func (s stack) Accept(filter string) error { return s.tell(accept, filter) }

func (s stack) AddAddressTo(device string, address netip.Addr) error {
	return s.tell(addAddressTo, deviceAddress{device, address})
}

func (s stack) PinNeighbour(address netip.Addr, mac net.HardwareAddr) error {
	return s.tell(pin, neighbour{address, mac})
}

func (s stack) RestoreRoute(of netip.Prefix, minimumRTO int) error {
	return s.tell(restoreRoute, routeOptions{of, minimumRTO})
}

func (s stack) Socket(local, remote netip.AddrPort) (socket.Snapshot, error) {
	snapshot, err := get[socket.Snapshot](s, socketOf, ends{local, remote})
	snapshot.At = s.here(snapshot.At)
	return snapshot, err
}

func (s stack) Sockets() ([]socket.Snapshot, error) {
	all, err := get[[]socket.Snapshot](s, socketsOf, nil)
	for i := range all {
		all[i].At = s.here(all[i].At)
	}
	return all, err
}

func (s stack) DestroySocket(local, remote netip.AddrPort) error {
	return s.tell(destroySocket, ends{local, remote})
}

func (s stack) Refuse(filter string, port uint16, answer *lab.Answer) error {
	r := refusal{Filter: filter, Port: port}
	if answer != nil {
		r.Answer = answer.String()
	}
	return s.tell(refuse, r)
}

func (s stack) StartProcess(name string) (*process.Process, error) {
	began, err := get[started](s, startProcess, name)
	if err != nil {
		return nil, err
	}
	p := &remoteProcess{stack: s, id: began.ID, pid: began.PID, dead: make(chan struct{})}
	s.client.send(awaitProcess, p.id, func(answer, error) { close(p.dead) }) // dead too with its machine
	return process.On(name, p), nil
}

// Close gives the machine back for another stack; one that is beyond that is switched off.
func (s stack) Close() error { return s.machine.giveBack(s.client) }

// remoteProcess is a process on the machine.
type remoteProcess struct {
	stack   stack
	id, pid int
	dead    chan struct{}
}

func (p *remoteProcess) PID() int              { return p.pid }
func (p *remoteProcess) Dead() <-chan struct{} { return p.dead }
func (p *remoteProcess) Freeze() error         { return p.stack.tell(freezeProcess, p.id) }
func (p *remoteProcess) Thaw() error           { return p.stack.tell(thawProcess, p.id) }

// Stop is no more than the machine's own teardown does.
func (p *remoteProcess) Stop() error {
	select {
	case <-p.dead:
		return nil
	default:
		return p.stack.tell(stopProcess, p.id)
	}
}

func (p *remoteProcess) Die(ctx context.Context, m process.Manner) (process.Death, error) {
	end, err := await[ended](ctx, p.stack.client, killProcess, ending{p.id, m})
	if err != nil {
		return process.Death{}, err
	}
	end.Death.At, end.Death.Gone = p.stack.here(end.Death.At), p.stack.here(end.Death.Gone)
	if end.Failure != nil {
		return end.Death, end.Failure
	}
	return end.Death, nil
}

func (p *remoteProcess) Request(r role.Request, answered func(role.Answer, error)) {
	p.stack.client.send(requestProcess, asked{p.id, r}, func(a answer, err error) {
		var result role.Answer
		if err == nil {
			err = json.Unmarshal(a.Result, &result)
		}
		at, give := p.stack.client.clock.here(time.Duration(result.At))
		result.At, result.Give = int64(at), int64(give)
		var crossed *failure
		if err != nil && !errors.As(err, &crossed) {
			err = errors.Join(process.ErrDead, err) // it went with its machine
		}
		answered(result, err)
	})
}
