package main

import (
	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/report"
)

// kernelHere is the kernel that runs this program, with its own settings. The program must be in its
// own namespaces, or PID 1 of a guest.
func kernelHere() (report.Kernel, error) {
	running, err := kernel.Running()
	if err != nil {
		return report.Kernel{}, err
	}
	sysctls, err := kernel.Shipped()
	return report.Kernel{
		Release: running.Release, Version: running.Version, Machine: running.Machine, HZ: running.HZ, Sysctls: sysctls,
	}, err
}
