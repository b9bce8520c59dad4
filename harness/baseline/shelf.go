package baseline

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/halfopen/halfopen/fixtures"
	"github.com/halfopen/halfopen/harness/kernel"
)

// Shelf is where baselines lie, a file each: NAME.json.
type Shelf struct {
	files  fs.FS
	folder string
}

// Embedded are the baselines that came with this program.
func Embedded() Shelf { return Shelf{fixtures.Baselines, "baselines"} }

// In are the baselines of a folder.
func In(files fs.FS) Shelf { return Shelf{files, "."} }

// Names are those of the baselines, the oldest kernel first.
func (s Shelf) Names() []string {
	entries, err := fs.ReadDir(s.files, s.folder)
	if err != nil {
		return nil
	}
	var names []string
	for _, entry := range entries {
		if name, isBaseline := strings.CutSuffix(entry.Name(), ".json"); isBaseline {
			names = append(names, name)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return version(a).Compare(version(b)) })
	return names
}

// version is that in a baseline's name: 6.12 of debian-6.12.
func version(name string) kernel.Version {
	at := strings.IndexAny(name, "0123456789")
	if at < 0 {
		return kernel.Version{}
	}
	v, _ := kernel.ParseRelease(name[at:])
	return v
}

// Named finds the baseline of a name: its own (debian-6.12), the kernel's (debian:6.12), or a Debian series
// alone (6.12). found is false if there is none; the error is for one that cannot be read.
func (s Shelf) Named(name string) (b Baseline, found bool, err error) {
	names := s.Names()
	for _, candidate := range []string{NameOf(name), "debian-" + name} {
		if strings.Contains(name, "/") || !slices.Contains(names, candidate) {
			continue
		}
		data, err := fs.ReadFile(s.files, path.Join(s.folder, candidate+".json"))
		if err != nil {
			return b, false, fmt.Errorf("cannot read the baseline %s: %w", candidate, err)
		}
		b, ok := Parse(data)
		if !ok {
			return b, false, fmt.Errorf("the baseline %s is none (%s)", candidate, Schema)
		}
		return b, true, nil
	}
	return b, false, nil
}

// All are the baselines, the oldest kernel first.
func (s Shelf) All() ([]Baseline, error) {
	var all []Baseline
	for _, name := range s.Names() {
		b, _, err := s.Named(name)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}
