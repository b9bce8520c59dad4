package image

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// place is an address that may have a suite, with the keyrings that may vouch for it.
type place struct {
	uri      string
	keyrings []string // files
	keys     string   // armored keys from apt's configuration
}

// mirrorVariable names the archive where no option does.
const mirrorVariable = "HALFOPEN_MIRROR"

const securityEnding = "-security"

// places gives the addresses that may have a suite, the likeliest first. A mirror that was asked for
// is the only one used: whoever names it does not want another host to be asked. Security suites live
// at another address: apt's entries for such suites, or the mirror's sibling (/debian ->
// /debian-security).
func (p *puller) places(suite string) ([]place, error) {
	security := strings.HasSuffix(suite, securityEnding)
	sources := aptSources(p.root)
	table, err := Table()
	if err != nil {
		return nil, err
	}

	var found []place
	add := func(uri string, s aptSource) {
		uri = strings.TrimRight(uri, "/")
		if !slices.ContainsFunc(found, func(have place) bool { return have.uri == uri }) {
			found = append(found, place{uri: uri, keyrings: s.signedBy, keys: s.keys})
		}
	}
	configured := func(match func(aptSource) bool) {
		for _, s := range sources {
			if match(s) {
				for _, uri := range s.uris {
					add(uri, s)
				}
			}
		}
	}
	exact := func(s aptSource) bool { return slices.Contains(s.suites, suite) }
	alike := func(s aptSource) bool { // an entry for another suite of the same archive
		return slices.ContainsFunc(s.suites, func(other string) bool {
			return isDebian(other, table) && strings.HasSuffix(other, securityEnding) == security
		})
	}

	switch mirror := p.mirror(); {
	case mirror != "" && security:
		add(sibling(mirror), aptSource{})
		add(mirror, aptSource{})
	case mirror != "":
		add(mirror, aptSource{})
	default:
		configured(exact)
		configured(alike)
		if security {
			for _, s := range sources {
				if slices.ContainsFunc(s.suites, func(other string) bool { return isDebian(other, table) }) {
					for _, uri := range s.uris {
						if !strings.HasSuffix(strings.TrimRight(uri, "/"), securityEnding) {
							add(sibling(uri), s)
						}
					}
				}
			}
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	return nil, because(ErrNoMirror, "no Debian archive is configured on this machine (no deb entry in %s): name one with --mirror URL or %s=URL", filepath.Join(p.root, "etc/apt"), mirrorVariable)
}

func (p *puller) mirror() string {
	if p.options.Mirror != "" {
		return p.options.Mirror
	}
	return os.Getenv(mirrorVariable)
}

// isDebian tells Debian's suites from those of other archives that apt may be configured with. The
// signature decides in the end; this only spares requests that cannot succeed.
func isDebian(suite string, table []Series) bool {
	base := suite
	for _, ending := range []string{securityEnding, "-backports", "-updates", "-proposed-updates", "-backports-sloppy"} {
		base = strings.TrimSuffix(base, ending)
	}
	if slices.Contains([]string{"stable", "oldstable", "oldoldstable", "testing", "unstable", "experimental"}, base) {
		return true
	}
	return slices.ContainsFunc(table, func(s Series) bool {
		return slices.ContainsFunc(s.Suites, func(known string) bool {
			return known == base || strings.HasPrefix(known, base+"-")
		})
	})
}

// sibling is the security archive beside a mirror.
func sibling(mirror string) string {
	u, err := url.Parse(mirror)
	if err != nil {
		return mirror + securityEnding
	}
	segments := strings.Split(strings.TrimRight(u.Path, "/"), "/")
	if i := slices.Index(segments, "debian"); i >= 0 {
		segments[i] += securityEnding
	} else {
		segments[len(segments)-1] += securityEnding
	}
	u.Path = strings.Join(segments, "/")
	return u.String()
}
