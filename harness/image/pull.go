package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// Options of a Pull. The zero value works.
type Options struct {
	Mirror   string         // the archive's address; empty: HALFOPEN_MIRROR, or else what apt is configured with
	Keyring  string         // file with the archive's keys; empty: those of apt and of debian-archive-keyring
	Cache    string         // folder of the images; empty: halfopen/images in the user's cache folder
	Refresh  bool           // look for a newer package even if the image is cached
	Progress func(Progress) // told how far it is, from the calling goroutine; may be nil

	root string // where apt, keyrings and /boot are; empty: /
}

// Step is what a Pull is doing.
type Step string

const (
	StepWait     Step = "wait"     // another process makes the same image
	StepIndex    Step = "index"    // What is a suite
	StepDownload Step = "download" // What is a package
	StepUnpack   Step = "unpack"   // What is a package or a file
)

// Progress is how far a Pull is.
type Progress struct {
	Image       string // the kernel's name
	Step        Step
	What        string
	Done, Total int64 // bytes; Total is 0 where it is not known
}

// puller is one Pull under way.
type puller struct {
	options Options
	name    string
	root    string
	cache   string
	client  *http.Client
}

func (p *puller) report(step Step, what string, done, total int64) {
	if p.options.Progress != nil {
		p.options.Progress(Progress{Image: p.name, Step: step, What: what, Done: done, Total: total})
	}
}

// Pull gives the image of a kernel's name (Parse): from the cache if it is there whole and, for what
// lies on this machine, still the same; otherwise it is fetched, verified, unpacked and put there.
// Two Pulls of the same image, in one process or in several, make it once.
//
// Errors are one sentence with the cure; errors.Is tells them apart by the package's Err values.
func Pull(ctx context.Context, name string, options Options) (Image, error) {
	source, err := Parse(name)
	if err != nil {
		return Image{}, err
	}
	p := &puller{options: options, name: name, root: options.root}
	if p.root == "" {
		p.root = "/"
	}
	if p.cache, err = cacheFolder(options.Cache); err != nil {
		return Image{}, err
	}
	p.client = newClient(p.root)
	defer p.client.CloseIdleConnections()

	var made maker
	if source.Kind == FromArchive {
		made = &fromArchive{p, source.Series}
	} else if made, err = p.local(source); err != nil {
		return Image{}, err
	}
	return p.cached(ctx, made)
}

// maker makes an image in a folder.
type maker interface {
	key() string   // the image's folder in the cache
	stamp() string // changes when the source does; an image with another stamp is made anew
	make(ctx context.Context, folder string) (Image, error)
}

// fromArchive makes the image of a series.
type fromArchive struct {
	*puller
	series Series
}

func (a *fromArchive) key() string   { return "debian-" + a.series.Series }
func (a *fromArchive) stamp() string { return "" }

func (a *fromArchive) make(ctx context.Context, folder string) (Image, error) {
	var reasons []string
	var kinds []error
	for _, suite := range a.series.Suites {
		at, release, packages, err := a.look(ctx, suite)
		if err == nil {
			return a.unpack(ctx, folder, suite, at, release, packages)
		}
		// A suite that is not there, out of date or out of reach does not hinder the next one. A
		// signature or a hash that is wrong, or no keyring, ends it: nothing else would be safer.
		if ctx.Err() != nil || errors.Is(err, ErrSignature) || errors.Is(err, ErrHash) ||
			!(errors.Is(err, ErrNotOffered) || errors.Is(err, ErrExpired) || errors.Is(err, ErrOffline) || errors.Is(err, ErrNoMirror)) {
			return Image{}, fmt.Errorf("%s: %w", a.name, err)
		}
		reasons = append(reasons, err.Error())
		kinds = append(kinds, err)
	}
	all := errors.Join(kinds...)
	detail := strings.Join(reasons, "; ")
	switch {
	case errors.Is(all, ErrOffline):
		return Image{}, because(ErrOffline, "%s is not cached and the archive is out of reach (%s): connect, name another archive with --mirror, or copy %s from a machine that has it", a.name, detail, filepath.Join(a.cache, a.key()))
	case errors.Is(all, ErrExpired):
		return Image{}, because(ErrExpired, "%s cannot be had: %s", a.name, detail)
	case errors.Is(all, ErrNotOffered):
		if a.series.Gone != "" {
			detail += "; " + a.series.Gone
		}
		return Image{}, because(ErrNotOffered, "%s is not offered by the archive (%s): give another series, or its packages as a folder of .deb files", a.name, detail)
	}
	return Image{}, because(ErrNoMirror, "%s: %s", a.name, reasons[0])
}

// look finds the series' packages in one suite, at the first place that has it.
func (a *fromArchive) look(ctx context.Context, suite string) (place, *release, []listed, error) {
	places, err := a.places(suite)
	if err != nil {
		return place{}, nil, nil, err
	}
	var last error
	for _, at := range places {
		release, err := a.suiteRelease(ctx, at, suite)
		if errors.Is(err, errNotThere) {
			if last == nil {
				last = because(ErrNotOffered, "%s has no suite %s", at.uri, suite)
				if strings.HasSuffix(suite, securityEnding) {
					last = because(ErrNotOffered, "%s has no suite %s (add the security archive to apt's sources)", at.uri, suite)
				}
			}
			continue
		}
		if errors.Is(err, ErrOffline) && ctx.Err() == nil {
			last = err
			continue
		}
		if err != nil {
			return at, nil, nil, err
		}
		index, err := a.suiteIndex(ctx, at, suite, release)
		if err != nil {
			return at, nil, nil, err
		}
		packages, incomplete := choose(index, a.series.Series)
		switch {
		case packages != nil:
			return at, release, packages, nil
		case incomplete != "":
			return at, nil, nil, because(ErrNotOffered, "%s: %s", suite, incomplete)
		}
		return at, nil, nil, because(ErrNotOffered, "%s has no kernel %s", suite, a.series.Series)
	}
	return place{}, nil, nil, last
}

// unpack fetches the packages, all of them before the first is opened, and makes the image.
func (a *fromArchive) unpack(ctx context.Context, folder, suite string, at place, release *release, packages []listed) (Image, error) {
	tree := filepath.Join(folder, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return Image{}, noSpace(err, a.cache)
	}
	origin := Origin{Suite: suite, SignedBy: release.signedBy, Package: packages[0].name, Version: packages[0].version, SHA256: packages[0].sha256}
	for _, pkg := range packages {
		if err := a.fetchPackage(ctx, at, pkg, filepath.Join(folder, pkg.name+".deb")); err != nil {
			return Image{}, fmt.Errorf("%s: %w", a.name, err)
		}
		origin.Packages = append(origin.Packages, Package{pkg.name, pkg.version, pkg.sha256, pkg.size})
	}
	for _, pkg := range packages {
		deb := filepath.Join(folder, pkg.name+".deb")
		err := unpackDeb(ctx, deb, tree, func(done, total int64) { a.report(StepUnpack, pkg.name, done, total) })
		if err := errors.Join(err, os.Remove(deb)); err != nil {
			return Image{}, fmt.Errorf("%s: %w", a.name, noSpace(err, a.cache))
		}
	}
	parts, err := partsOfTree(tree)
	if err != nil {
		return Image{}, fmt.Errorf("%s: %w", a.name, err)
	}
	image, err := a.assemble(parts, folder)
	if err != nil {
		return Image{}, fmt.Errorf("%s: %w", a.name, err)
	}
	image.Origin = origin
	return image, os.RemoveAll(tree)
}
