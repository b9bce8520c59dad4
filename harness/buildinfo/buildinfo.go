// Package buildinfo says what this program is, out of what the Go toolchain wrote into it.
package buildinfo

import (
	"cmp"
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
)

// develVersion stands for a version where a program was built outside of a repository: by go test, from
// an archive, or with -buildvcs=false.
const develVersion = "devel"

// Info is what a build is.
type Info struct {
	Version  string // of the module: a tag, a pseudo-version of the commit, with +dirty if files were changed, or devel
	Revision string // of the repository; empty if it is not known
	Modified bool   // files were changed since that revision
	Go       string // the toolchain's version
	Platform string // GOOS/GOARCH
	Static   bool   // it needs no loader, and so can be PID 1 of a guest
}

// Version is Info.Version of this program.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return develVersion
	}
	return version(info)
}

func version(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "(devel)" {
		return cmp.Or(v, develVersion)
	}
	return develVersion
}

// Clean tells whether a version names one source: two programs of it are the same but for their toolchain.
func Clean(version string) bool {
	return version != "" && version != develVersion && !slices.Contains([]byte(version), '+')
}

// Read is the Info of the program in a file, this one's for /proc/self/exe.
func Read(path string) (Info, error) {
	built, err := buildinfo.ReadFile(path)
	if err != nil {
		return Info{}, fmt.Errorf("cannot read what %s was built from: %w", path, err)
	}
	info := Info{Version: version(built), Go: built.GoVersion, Platform: runtime.GOOS + "/" + runtime.GOARCH}
	for _, setting := range built.Settings {
		switch setting.Key {
		case "vcs.revision":
			info.Revision = setting.Value
		case "vcs.modified":
			info.Modified = setting.Value == "true"
		}
	}
	info.Static, err = static(path)
	return info, err
}

// static tells whether a program names no loader.
func static(path string) (bool, error) {
	file, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("cannot read %s: %w", path, err)
	}
	defer file.Close()
	program, err := elf.NewFile(file)
	if err != nil {
		return false, fmt.Errorf("%s is no program: %w", path, err)
	}
	return !slices.ContainsFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }), nil
}
