package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// fromHere makes the image of what lies on this machine: a file, an installed kernel, or packages.
type fromHere struct {
	*puller
	folderKey string
	stamped   string
	origin    Origin
	parts     parts
	debs      []string // packages to unpack; parts is then empty
}

func (h *fromHere) key() string   { return h.folderKey }
func (h *fromHere) stamp() string { return h.stamped }

func (h *fromHere) make(ctx context.Context, folder string) (Image, error) {
	from := h.parts
	tree := filepath.Join(folder, "tree")
	if h.debs != nil {
		for _, deb := range h.debs {
			err := unpackDeb(ctx, deb, tree, func(done, total int64) { h.report(StepUnpack, filepath.Base(deb), done, total) })
			if err != nil {
				return Image{}, fmt.Errorf("%s: %w", h.name, noSpace(err, h.cache))
			}
		}
		var err error
		if from, err = partsOfTree(tree); err != nil {
			return Image{}, fmt.Errorf("%s: %w", h.name, err)
		}
	}
	image, err := h.assemble(from, folder)
	if err != nil {
		return image, err
	}
	image.Origin = h.origin
	return image, os.RemoveAll(tree)
}

// packageFile matches the names of packages with a part of a kernel. The kernel's own `make
// bindeb-pkg` makes linux-image-RELEASE too, beside headers, libc and debug symbols.
var packageFile = lazily(`^linux-(?:image|binary|modules|base)(?:-unsigned)?-(\d.*)$`)

// local prepares what lies on this machine and says what state it is in: the kernel's hash, and name,
// size and time of all else, so that an image is made anew when a kernel was built anew.
func (p *puller) local(source Source) (*fromHere, error) {
	h := &fromHere{puller: p}
	stamp := sha256.New()
	switch source.Kind {
	case FromPackages:
		debs, err := filepath.Glob(filepath.Join(escapeGlob(source.Path), "*.deb"))
		if err != nil {
			return nil, err
		}
		var releases []string
		for _, deb := range debs {
			name := filepath.Base(deb)
			package_, rest, _ := strings.Cut(name, "_")
			version, _, _ := strings.Cut(rest, "_")
			m := packageFile().FindStringSubmatch(package_)
			if m == nil || strings.HasSuffix(package_, "-dbg") {
				continue
			}
			releases = append(releases, strings.TrimSuffix(m[1], "-unsigned"))
			sum, size, err := hashFile(deb)
			if err != nil {
				return nil, err
			}
			fmt.Fprintln(stamp, name, sum)
			h.debs = append(h.debs, deb)
			pkg := Package{package_, version, sum, size}
			h.origin.Packages = append(h.origin.Packages, pkg)
			if strings.HasPrefix(name, "linux-image-") || h.origin.Package == "" {
				h.origin.Package, h.origin.Version, h.origin.SHA256 = package_, version, sum
			}
		}
		if h.debs == nil {
			return nil, because(ErrNotKernel, "the folder %s has no package of a kernel (linux-image-*.deb)", source.Path)
		}
		if slices.Sort(releases); releases[0] != releases[len(releases)-1] {
			return nil, because(ErrNotKernel, "the folder %s has packages of several kernels (%s): give a folder for each", source.Path, strings.Join(slices.Compact(releases), ", "))
		}
		h.origin.Path = source.Path

	case FromBoot, FromFile:
		var err error
		if h.parts = (parts{kernel: source.Path, modules: source.Modules, explicit: source.Modules != ""}); source.Kind == FromBoot {
			if h.parts, err = p.installed(source.Release); err != nil {
				return nil, err
			}
		}
		sum, _, err := hashFile(h.parts.kernel)
		if errors.Is(err, fs.ErrPermission) {
			return nil, because(ErrNotKernel, "%s may be read by root only: make a copy that you may read, or run `sudo chmod +r %s`", h.parts.kernel, h.parts.kernel)
		} else if err != nil {
			return nil, err
		}
		h.origin = Origin{SHA256: sum, Path: h.parts.kernel}
		fmt.Fprintln(stamp, sum, h.parts.config)
		folders := []string{h.parts.modules}
		if h.parts.modules == "" { // wherever modulesBeside may look
			folders = nil
			for _, pattern := range []string{"modules", "modules-*", "[0-9]*.[0-9]*", "lib/modules", "usr/lib/modules", "../lib/modules"} {
				found, _ := filepath.Glob(filepath.Join(escapeGlob(filepath.Dir(h.parts.kernel)), pattern))
				folders = append(folders, found...)
			}
		}
		for _, folder := range folders {
			stampFolder(stamp, folder)
		}
	}
	h.stamped = hex.EncodeToString(stamp.Sum(nil))
	where := sha256.Sum256([]byte(h.origin.Path + "\x00" + source.Modules))
	h.folderKey = fmt.Sprintf("%s-%s-%x", source.Kind, filepath.Base(h.origin.Path), where[:4])
	return h, nil
}

// stampFolder notes name, size and time of every file; a folder that is not there has none.
func stampFolder(stamp io.Writer, folder string) {
	_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil
		}
		if info, err := entry.Info(); err == nil {
			fmt.Fprintln(stamp, path, info.Size(), info.ModTime().UnixNano())
		}
		return nil
	})
}

// installed finds a kernel of this machine by its release; the newest if release is empty.
func (p *puller) installed(release string) (parts, error) {
	kernels := map[string]string{} // by release
	for _, pattern := range []string{"usr/lib/modules/*/vmlinuz", "lib/modules/*/vmlinuz"} {
		found, _ := filepath.Glob(filepath.Join(escapeGlob(p.root), pattern))
		for _, path := range found {
			kernels[filepath.Base(filepath.Dir(path))] = path
		}
	}
	found, _ := filepath.Glob(filepath.Join(escapeGlob(p.root), "boot/vmlinuz-*"))
	for _, path := range found {
		kernels[strings.TrimPrefix(filepath.Base(path), "vmlinuz-")] = path
	}
	var releases []string
	for r := range kernels {
		if p.modulesInstalled(r) != "" || r == release {
			releases = append(releases, r)
		}
	}
	slices.SortFunc(releases, compareVersions)
	switch {
	case len(releases) == 0:
		return parts{}, because(ErrUnknown, "no kernel is installed on this machine (no %s with its /lib/modules/RELEASE): give a file or debian:SERIES", filepath.Join(p.root, "boot/vmlinuz-*"))
	case release == "":
		release = releases[len(releases)-1]
	case !slices.Contains(releases, release):
		return parts{}, because(ErrUnknown, "the kernel %s is not installed on this machine: there is %s", release, strings.Join(releases, ", "))
	}
	chosen := parts{kernel: kernels[release], modules: p.modulesInstalled(release)}
	for _, config := range []string{"boot/config-" + release, "usr/lib/modules/" + release + "/config", "lib/modules/" + release + "/config"} {
		path := filepath.Join(p.root, config)
		if _, err := os.Stat(path); err == nil {
			chosen.config = path
			break
		}
	}
	return chosen, nil
}

func (p *puller) modulesInstalled(release string) string {
	for _, folder := range []string{"lib/modules", "usr/lib/modules"} {
		path := filepath.Join(p.root, folder, release)
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return path
		}
	}
	return ""
}
