package kernel

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Version is the numbers of a kernel release: major, minor, patch. It compares with == and [Version.Compare].
type Version [3]uint16

// ParseRelease takes the version out of a release as uname -r prints it: two or three numbers with
// dots between, and then anything: "5.15.0-76-generic", "4.18.0-553.el8_10", "7.3-rc7" (which is 7.3.0).
func ParseRelease(release string) (Version, error) {
	var v Version
	rest := release
	for i := range v {
		end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(rest)
		}
		n, err := strconv.ParseUint(rest[:end], 10, 16)
		if err != nil {
			// "6.1.fc" has two numbers and a dot that begins its suffix.
			if i == 2 && end == 0 {
				return v, nil
			}
			return Version{}, fmt.Errorf("%q is no kernel release: it must begin with two or three numbers like 6.12 or 5.10.0", release)
		}
		v[i] = uint16(n)
		rest = rest[end:]
		if !strings.HasPrefix(rest, ".") {
			if i == 0 {
				return Version{}, fmt.Errorf("%q is no kernel release: it must begin with two or three numbers like 6.12 or 5.10.0", release)
			}
			return v, nil
		}
		rest = rest[1:]
	}
	return v, nil
}

// Compare is -1, 0 or +1 as v is older than, the same as, or newer than other.
func (v Version) Compare(other Version) int {
	for i := range v {
		if c := cmp.Compare(v[i], other[i]); c != 0 {
			return c
		}
	}
	return 0
}

// AtLeast says whether v is other or newer.
func (v Version) AtLeast(other Version) bool { return v.Compare(other) >= 0 }

// String is "6.18.44", and "6.18" where the patch is 0, as kernel.org names releases.
func (v Version) String() string {
	if v[2] == 0 {
		return fmt.Sprintf("%d.%d", v[0], v[1])
	}
	return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2])
}
