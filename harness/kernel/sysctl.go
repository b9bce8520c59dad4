package kernel

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/halfopen/halfopen/harness/internal/procfs"
)

// Sysctl is the value of a sysctl, named with dots ("net.ipv4.tcp_retries2"), in the namespace of the
// calling thread. Several values on one line come separated by single spaces.
// The error names the sysctl; one that does not exist is os.ErrNotExist to errors.Is.
func Sysctl(name string) (string, error) {
	path, err := sysctlPath(name)
	if err != nil {
		return "", err
	}
	value, err := procfs.Read(path)
	if err != nil {
		return "", fmt.Errorf("sysctl %s could not be read: %w", name, err)
	}
	return string(bytes.Join(bytes.Fields(value), []byte(" "))), nil
}

// SetSysctl sets a sysctl in the namespace of the calling thread.
// The error names it and the value; see [Sysctl].
func SetSysctl(name, value string) error {
	path, err := sysctlPath(name)
	if err != nil {
		return err
	}
	if err := procfs.Write(path, value); err != nil {
		return fmt.Errorf("sysctl %s could not be set to %s: %w", name, value, err)
	}
	return nil
}

// SysctlInt is [Sysctl] for one whole number.
func SysctlInt(name string) (int, error) {
	value, err := Sysctl(name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return 0, fmt.Errorf("sysctl %s is %q and not one whole number", name, value)
	}
	return n, nil
}

// SetSysctlInt is [SetSysctl] for one whole number.
func SetSysctlInt(name string, value int) error { return SetSysctl(name, strconv.Itoa(value)) }

func sysctlPath(name string) (string, error) {
	path := strings.ReplaceAll(name, ".", "/")
	// A slash, an empty element or one of dots would name another file than is meant.
	if strings.Contains(name, "/") || !filepath.IsLocal(path) || filepath.Clean(path) != path {
		return "", fmt.Errorf("%q is no name of a sysctl: it must be like net.ipv4.tcp_retries2", name)
	}
	return "/proc/sys/" + path, nil
}
