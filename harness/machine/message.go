package machine

import (
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/process"
	"github.com/halfopen/halfopen/harness/process/role"
)

// request asks the guest for something.
type request struct {
	Life   int             `json:"life"`
	ID     int             `json:"id"`
	Method method          `json:"method"`
	With   json.RawMessage `json:"with,omitempty"`
}

// answer is what came of it.
type answer struct {
	Life    int             `json:"life"`
	ID      int             `json:"id"`
	At      time.Duration   `json:"at"` // the guest's clock, as the answer is made
	Result  json.RawMessage `json:"result,omitempty"`
	Failure *failure        `json:"failure,omitempty"`
}

// failure is an error that has crossed the line, with what others ask of it.
type failure struct {
	Text  string        `json:"text"`
	Errno syscall.Errno `json:"errno,omitempty"`
	Dead  bool          `json:"dead,omitempty"`
}

func failed(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{Text: err.Error(), Dead: errors.Is(err, process.ErrDead)}
	errors.As(err, &f.Errno)
	return f
}

func (f *failure) Error() string { return f.Text }

func (f *failure) Unwrap() []error {
	var all []error
	if f.Errno != 0 {
		all = append(all, f.Errno)
	}
	if f.Dead {
		all = append(all, process.ErrDead)
	}
	return all
}

// method is what can be asked for: a method of lab.Stack, of process.Remote, or of the machine.
type method string

const (
	hello     method = "hello"
	boot      method = "boot"
	surrender method = "surrender"
	panicNow  method = "panic"
	restart   method = "restart"

	kernelOf       method = "kernel"
	check          method = "check"
	configure      method = "configure"
	noticeCarrier  method = "notice-carrier"
	setLink        method = "set-link"
	addAddress     method = "add-address"
	removeAddress  method = "remove-address"
	addAddressTo   method = "add-address-to"
	forget         method = "forget-neighbours"
	pin            method = "pin-neighbour"
	removeRoute    method = "remove-route"
	restoreRoute   method = "restore-route"
	addDefault     method = "add-default-route"
	setSysctl      method = "set-sysctl"
	sysctlInt      method = "sysctl"
	timeouts       method = "timeouts"
	counters       method = "counters"
	ipv6Counters   method = "IPv6 counters"
	socketOf       method = "socket"
	socketsOf      method = "sockets"
	destroySocket  method = "destroy-socket"
	refuse         method = "refuse"
	accept         method = "accept"
	startProcess   method = "start-process"
	requestProcess method = "request"
	killProcess    method = "die"
	freezeProcess  method = "freeze"
	thawProcess    method = "thaw"
	stopProcess    method = "stop"
	awaitProcess   method = "await-death"
)

// What methods take and give, where it is more than a word.
type (
	stackOptions struct {
		Profile  kernel.Profile
		Settings map[string]string
	}
	configuration struct {
		Addresses []netip.Prefix
		Gateways  []netip.Addr
	}
	deviceAddress struct {
		Device  string
		Address netip.Addr
	}
	neighbour struct {
		Address netip.Addr
		MAC     net.HardwareAddr
	}
	routeOptions struct {
		Of         netip.Prefix
		MinimumRTO int
	}
	setting struct{ Name, Value string }
	ends    struct{ Local, Remote netip.AddrPort }
	refusal struct {
		Filter string
		Port   uint16
		Answer string // lab.Answer's name; empty for none
	}
	verdict struct{ Unsupported, Missing bool }
	started struct{ ID, PID int }
	asked   struct {
		ID      int
		Request role.Request
	}
	ending struct {
		ID     int
		Manner process.Manner
	}
	ended struct {
		Death   process.Death
		Failure *failure
	}
)
