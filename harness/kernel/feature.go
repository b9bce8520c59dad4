package kernel

import (
	"errors"
	"fmt"
	"sync"
)

// ErrNotSupported is a probe's answer that the kernel does not have the feature. Any other error of a probe
// means that it could not be executed, and says nothing of the kernel.
var ErrNotSupported = errors.New("not supported by this kernel")

// Feature is something not every kernel has.
type Feature struct {
	Name  string  // what a claim names it by
	What  string  // what it is, to end the sentence "this kernel has no ..."
	Since Version // the release that brought it; zero: any release may or may not have it, by its configuration
	How   string  // the configuration that it takes, if Since is zero
	probe func() error
}

// Unsupported says that the kernel lacks a feature, as it may: it is older, or configured without it.
type Unsupported struct {
	Feature Feature
	Release string
}

func (e *Unsupported) Error() string {
	if e.Feature.Since == (Version{}) {
		return fmt.Sprintf("kernel %s has no %s (it is configured without %s)", e.Release, e.Feature.What, e.Feature.How)
	}
	return fmt.Sprintf("kernel %s has no %s (since %v)", e.Release, e.Feature.What, e.Feature.Since)
}

// Is makes an Unsupported an ErrNotSupported to errors.Is.
func (e *Unsupported) Is(target error) bool { return target == ErrNotSupported }

// Missing says that the kernel lacks a feature which its release has: the kernel failed.
type Missing struct {
	Feature Feature
	Release string
}

func (e *Missing) Error() string {
	return fmt.Sprintf("kernel %s must have %s (since %v), but the probe finds none", e.Release, e.Feature.What, e.Feature.Since)
}

// answers are the definitive answers of probes, by name of feature: a kernel does not change while
// a process runs. An answer that a probe could not be executed is not kept, as a later one may be.
var answers sync.Map

// Probe tries the feature in the namespace of the calling thread, which must be owned by our user namespace and be free to
// be used (some probes make a device or a table, and remove it). The answer is nil, ErrNotSupported, or
// another error if the probe could not be executed.
func (f Feature) Probe() error {
	if f.probe == nil {
		return fmt.Errorf("feature %q has no probe", f.Name)
	}
	if answer, ok := answers.Load(f.Name); ok {
		supported, _ := answer.(bool)
		if supported {
			return nil
		}
		return ErrNotSupported
	}
	switch err := f.probe(); {
	case err == nil:
		answers.Store(f.Name, true)
		return nil
	case errors.Is(err, ErrNotSupported):
		answers.Store(f.Name, false)
		return ErrNotSupported
	default:
		return fmt.Errorf("the probe for %s could not be executed: %w", f.Name, err)
	}
}

// Check probes the feature and holds the answer against the release. It gives nil if the kernel has it (a
// distribution may well have brought it to an older release), *Unsupported if it lacks it as it may,
// *Missing if it lacks what its release has, and another error if the probe could not be executed.
func Check(f Feature, info Info) error {
	err := f.Probe()
	if !errors.Is(err, ErrNotSupported) {
		return err
	}
	if f.Since != (Version{}) && info.Parsed.AtLeast(f.Since) {
		return &Missing{Feature: f, Release: info.Release}
	}
	return &Unsupported{Feature: f, Release: info.Release}
}
