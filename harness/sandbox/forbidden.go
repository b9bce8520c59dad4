package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Forbidden says that the system refuses the namespaces, which knob does, and how to allow them.
type Forbidden struct {
	Why, Cure string
	Err       error
}

func (f *Forbidden) Error() string {
	return fmt.Sprintf("cannot create namespaces: %s (%v); %s", f.Why, f.Err, f.Cure)
}

func (f *Forbidden) Unwrap() error { return f.Err }

// knobs are the switches distributions offer, in the order in which they are looked at; each is
// read before it is named, so that the sentence is about this system.
var knobs = []struct {
	path, forbids, cure string
}{
	{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sudo sysctl kernel.unprivileged_userns_clone=1"},
	{"/proc/sys/user/max_user_namespaces", "0", "sudo sysctl user.max_user_namespaces=10000"},
	{"/proc/sys/user/max_net_namespaces", "0", "sudo sysctl user.max_net_namespaces=10000"},
	{"/proc/sys/user/max_pid_namespaces", "0", "sudo sysctl user.max_pid_namespaces=10000"},
	{"/proc/sys/user/max_mnt_namespaces", "0", "sudo sysctl user.max_mnt_namespaces=10000"},
	{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
}

func forbidden(err error) *Forbidden {
	for _, knob := range knobs {
		value, readErr := os.ReadFile(knob.path)
		if readErr != nil || strings.TrimSpace(string(value)) != knob.forbids {
			continue // absent on this kernel, or not what forbids it
		}
		name := strings.ReplaceAll(strings.TrimPrefix(knob.path, "/proc/sys/"), "/", ".")
		return &Forbidden{
			Why:  fmt.Sprintf("%s is %s", name, knob.forbids),
			Cure: fmt.Sprintf("allow them with `%s`, or run as root", knob.cure),
			Err:  err,
		}
	}
	if errors.Is(err, unix.ENOSPC) {
		return &Forbidden{
			Why:  "all that the user may have are in use, or they are nested too deep",
			Cure: "raise the limits with `sudo sysctl user.max_user_namespaces=10000 user.max_net_namespaces=10000`",
			Err:  err,
		}
	}
	return &Forbidden{
		Why:  "no known setting forbids them, so a container's seccomp profile or a security module probably does",
		Cure: "run outside the container, start it with `--privileged`, or run as root",
		Err:  err,
	}
}
