package claim

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/halfopen/halfopen/fixtures"
)

// Release is a change that a kernel release brought.
type Release struct {
	Since    string   `yaml:"since"`    // major.minor; empty for one of point releases
	Change   string   `yaml:"change"`   // what it is, in one or two sentences
	Claims   []string `yaml:"claims"`   // IDs of the claims that show it
	Features []string `yaml:"features"` // names of what came with it
	Sources  []string `yaml:"sources"`  // where it is known from
}

// Between tells whether one of two kernels (major, minor) has the change and the other may not, whichever is
// the older. A change of point releases may lie between any two.
func (r Release) Between(a, b [2]int) bool {
	if r.Since == "" {
		return true
	}
	since := majorMinor(r.Since)
	has := func(v [2]int) bool { return v[0] > since[0] || v[0] == since[0] && v[1] >= since[1] }
	return has(a) != has(b)
}

// Releases are the changes of fixtures/releases.yaml, the oldest first and those of point releases last.
func (c *Catalogue) Releases() ([]Release, error) {
	var file struct {
		Releases []Release `yaml:"releases"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(fixtures.Releases))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("releases.yaml: %w", err)
	}
	for _, r := range file.Releases {
		for _, id := range r.Claims {
			if _, known := c.ByID(id); !known {
				return nil, fmt.Errorf("releases.yaml: the change %q names the claim %s, which there is not", r.Change, id)
			}
		}
	}
	return file.Releases, nil
}
