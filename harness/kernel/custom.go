package kernel

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// customPrefix begins the profile of a [Custom]; what follows are its settings.
const customPrefix = "custom:"

// Names in a custom profile of what no sysctl says.
const (
	customUserTimeout = "user_timeout"
	customRTO         = "rto"
)

// Custom is a system's own timeouts, in the place of the scaled ones or the kernel's defaults. It is
// written as a profile ([Custom.Profile]), and goes wherever a profile goes.
type Custom struct {
	Sysctls     map[string]int // of net.ipv4: "tcp_retries2"; one that the kernel has not is an error
	UserTimeout time.Duration  // TCP_USER_TIMEOUT where a spec sets one, whole milliseconds; 0: the spec's own
	RTO         time.Duration  // the retransmission timeout that the path's round trip leads to; 0: what the lab's path gives
}

// Profile is the profile of these settings: "custom:tcp_keepalive_time=600,tcp_retries2=8,user_timeout=20s".
func (c Custom) Profile() Profile {
	var settings []string
	for _, name := range slices.Sorted(maps.Keys(c.Sysctls)) {
		settings = append(settings, name+"="+strconv.Itoa(c.Sysctls[name]))
	}
	if c.UserTimeout != 0 {
		settings = append(settings, customUserTimeout+"="+c.UserTimeout.String())
	}
	if c.RTO != 0 {
		settings = append(settings, customRTO+"="+c.RTO.String())
	}
	return Profile(customPrefix + strings.Join(settings, ","))
}

// Custom is what the profile's name says where it is a custom one.
func (p Profile) Custom() (c Custom, is bool) {
	c, is, err := p.parseCustom()
	return c, is && err == nil
}

func (p Profile) parseCustom() (c Custom, is bool, err error) {
	list, is := strings.CutPrefix(string(p), customPrefix)
	if !is || list == "" {
		return Custom{}, is, nil
	}
	c.Sysctls = map[string]int{}
	for _, setting := range strings.Split(list, ",") {
		name, value, _ := strings.Cut(setting, "=")
		switch name {
		case customUserTimeout:
			c.UserTimeout, err = time.ParseDuration(value)
		case customRTO:
			c.RTO, err = time.ParseDuration(value)
		default:
			if _, err = sysctlPath("net.ipv4." + name); err == nil {
				c.Sysctls[name], err = strconv.Atoi(value)
			}
		}
		if err != nil {
			return Custom{}, true, fmt.Errorf("the profile's setting %q is not understood: %w", setting, err)
		}
	}
	return c, true, nil
}

// asksFor tells whether a sysctl of that name is one of the profile's own.
func (c Custom) asksFor(name string) bool {
	short, ipv4 := strings.CutPrefix(name, "net.ipv4.")
	_, asked := c.Sysctls[short]
	return ipv4 && asked
}

// settings are the sysctls, in order.
func (c Custom) settings() []Setting {
	var settings []Setting
	for _, name := range slices.Sorted(maps.Keys(c.Sysctls)) {
		settings = append(settings, Setting{"net.ipv4." + name, strconv.Itoa(c.Sysctls[name]), "as the system has it that is asked about"})
	}
	return settings
}
