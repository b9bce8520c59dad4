package image

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/halfopen/halfopen/fixtures"
)

// Series is one row of the table of kernels.
type Series struct {
	Series string   `yaml:"series"` // major.minor
	Suites []string `yaml:"suites"` // where the archive offers it, the best first
	Gone   string   `yaml:"gone"`   // why it is not offered any more; empty if it is
}

// Name is the series' kernel as Pull takes it.
func (s Series) Name() string { return debianPrefix + s.Series }

// Table is the table of kernels, the oldest first.
func Table() ([]Series, error) {
	var file struct {
		Kernels []Series `yaml:"kernels"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(fixtures.Kernels))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("kernels.yaml: %w", err)
	}
	for _, s := range file.Kernels {
		if _, ok := ordinal(s.Series); !ok || len(s.Suites) == 0 {
			return nil, fmt.Errorf("kernels.yaml: series %q: major.minor and at least one suite are needed", s.Series)
		}
	}
	return file.Kernels, nil
}

var majorMinor = lazily(`^(\d+)\.(\d+)`)

// ordinal orders series by age. Major numbers turn over after about 20 minor ones.
func ordinal(series string) (int, bool) {
	m := majorMinor().FindStringSubmatch(series)
	if m == nil {
		return 0, false
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	return major*20 + minor, true
}

// seriesOf is major.minor of a package's upstream version: 7.3 of 7.3~rc7-1~exp1.
func seriesOf(version string) string {
	if _, after, epoch := strings.Cut(version, ":"); epoch {
		version = after
	}
	return majorMinor().FindString(version)
}

// find gives the row of a series, or an error that names the nearest ones.
func find(series string) (Series, error) {
	table, err := Table()
	if err != nil {
		return Series{}, err
	}
	want, isNumber := ordinal(series)
	var before, after, all []string
	for _, s := range table {
		if s.Series == series {
			return s, nil
		}
		all = append(all, s.Name())
		if n, _ := ordinal(s.Series); n <= want {
			before = []string{s.Name()}
		} else if after == nil {
			after = []string{s.Name()}
		}
	}
	if !isNumber {
		return Series{}, because(ErrUnknown, "there is no kernel %s%s: the table has %s", debianPrefix, series, strings.Join(all, ", "))
	}
	return Series{}, because(ErrUnknown, "there is no kernel %s%s in the table: the nearest is %s", debianPrefix, series, strings.Join(append(before, after...), " or "))
}
