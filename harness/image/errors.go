package image

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
)

// What can be in the way of an image. The error's own text is one sentence with the cure.
var (
	ErrUnknown    = errors.New("no such kernel")
	ErrNoMirror   = errors.New("no mirror configured")
	ErrNoKeyring  = errors.New("no keyring")
	ErrSignature  = errors.New("signature wrong")
	ErrExpired    = errors.New("index expired")
	ErrHash       = errors.New("hash wrong")
	ErrNotOffered = errors.New("not offered")
	ErrOffline    = errors.New("archive out of reach")
	ErrNoSpace    = errors.New("no space")
	ErrNotKernel  = errors.New("not a kernel")
)

// Unavailable tells whether an image could not be had for a reason that lies in the archive or in
// the way to it, and neither in the image nor in the request for it.
func Unavailable(err error) bool {
	return slices.ContainsFunc([]error{ErrNoMirror, ErrOffline, ErrNoKeyring, ErrExpired, ErrNotOffered},
		func(reason error) bool { return errors.Is(err, reason) })
}

// problem is one of the above with its sentence.
type problem struct {
	kind     error
	sentence string
	cause    error // may be nil
}

func (p *problem) Error() string { return p.sentence }

func (p *problem) Unwrap() []error {
	if p.cause == nil {
		return []error{p.kind}
	}
	return []error{p.kind, p.cause}
}

func because(kind error, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &problem{kind: kind, sentence: err.Error(), cause: errors.Unwrap(err)}
}

// noSpace says so where a full disk is the cause of err.
func noSpace(err error, folder string) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return because(ErrNoSpace, "the disk under %s is full (an image needs up to 400 MB while it is made, 100 MB after): free some space or choose another folder with --cache: %w", folder, err)
	}
	return err
}
