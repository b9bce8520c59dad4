package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Kind is the kind of place a kernel comes from.
type Kind string

const (
	FromArchive  Kind = "archive"   // debian:SERIES
	FromFile     Kind = "file"      // FILE or FILE,MODULES
	FromBoot     Kind = "installed" // installed or installed:RELEASE
	FromPackages Kind = "packages"  // a folder of .deb files
)

const (
	debianPrefix    = "debian:"
	installed       = "installed"
	installedPrefix = "installed:"
)

// Source is a kernel's name, understood.
type Source struct {
	Kind    Kind
	Series  Series // FromArchive
	Release string // FromBoot; empty: the newest
	Path    string // FromFile, FromPackages: absolute
	Modules string // FromFile: absolute; empty: looked for beside the file
	name    string
}

// String is the name as it was given.
func (s Source) String() string { return s.name }

// Parse understands a kernel's name. A name that cannot mean anything here (a series that is not in
// the table, a file that does not exist) is an ErrUnknown.
func Parse(name string) (Source, error) {
	s := Source{name: name}
	if series, ok := strings.CutPrefix(name, debianPrefix); ok {
		row, err := find(series)
		s.Kind, s.Series = FromArchive, row
		return s, err
	}
	if name == installed {
		s.Kind = FromBoot
		return s, nil
	}
	if release, ok := strings.CutPrefix(name, installedPrefix); ok && release != "" && !strings.ContainsRune(release, '/') {
		s.Kind, s.Release = FromBoot, release
		return s, nil
	}

	path, modules := name, ""
	info, err := os.Stat(path)
	for at := range name { // a path may have commas too: the first that follows a file is the one
		if name[at] != ',' || !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if file, e := os.Stat(name[:at]); e == nil && !file.IsDir() {
			path, modules, info, err = name[:at], name[at+1:], file, nil
		}
	}
	switch {
	case name == "" || errors.Is(err, fs.ErrNotExist):
		hint := ""
		if majorMinor().MatchString(name) {
			hint = "; perhaps " + debianPrefix + name + " was meant"
		}
		return s, because(ErrUnknown, "there is no kernel %q: it is neither a file nor a folder, nor debian:SERIES, installed or installed:RELEASE%s", name, hint)
	case err != nil:
		return s, because(ErrUnknown, "the kernel %s cannot be looked at: %w", name, err)
	}
	if s.Path, err = filepath.Abs(path); err != nil {
		return s, because(ErrUnknown, "the kernel %s cannot be looked at: %w", name, err)
	}
	if info.IsDir() {
		debs, err := filepath.Glob(filepath.Join(escapeGlob(s.Path), "*.deb"))
		if err != nil || len(debs) == 0 || modules != "" {
			return s, because(ErrUnknown, "the folder %s has no .deb file: give the kernel file itself, or a folder with linux-image-*.deb", path)
		}
		s.Kind = FromPackages
		return s, nil
	}
	s.Kind = FromFile
	if modules != "" {
		if s.Modules, err = filepath.Abs(modules); err != nil {
			return s, because(ErrUnknown, "the modules folder %s cannot be looked at: %w", modules, err)
		}
		if info, err := os.Stat(s.Modules); err != nil || !info.IsDir() {
			return s, because(ErrUnknown, "%s is not a folder of modules: give /lib/modules/RELEASE or a folder that holds it", modules)
		}
	}
	return s, nil
}

var globSpecial = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

func escapeGlob(path string) string { return globSpecial.Replace(path) }
