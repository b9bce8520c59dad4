package image

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// Where the package debian-archive-keyring puts the keys. Keys that were taken out of use are in a
// file of their own there, and are not believed.
var archiveKeyrings = []string{
	"usr/share/keyrings/debian-archive-*.gpg",
	"usr/share/keyrings/debian-archive-*.pgp",
	"etc/apt/trusted.gpg.d/debian-archive-*",
}

// keyring reads the keys that may vouch for a place: those of --keyring alone if it was given;
// otherwise those that apt's entry is Signed-By and the system's archive keyring.
func (p *puller) keyring(at place) (openpgp.EntityList, error) {
	if p.options.Keyring != "" {
		keys, err := readKeyring(p.options.Keyring)
		if err != nil {
			return nil, because(ErrNoKeyring, "the keyring %s cannot be used: %w", p.options.Keyring, err)
		}
		return keys, nil
	}
	var keys openpgp.EntityList
	if at.keys != "" {
		if k, err := openpgp.ReadArmoredKeyRing(strings.NewReader(at.keys)); err == nil {
			keys = append(keys, k...)
		}
	}
	var files []string
	for _, path := range at.keyrings {
		files = append(files, filepath.Join(p.root, path))
	}
	for _, pattern := range archiveKeyrings {
		matches, _ := filepath.Glob(filepath.Join(escapeGlob(p.root), pattern))
		files = append(files, matches...)
	}
	slices.Sort(files)
	for _, path := range slices.Compact(files) {
		if strings.Contains(filepath.Base(path), "removed") {
			continue
		}
		if k, err := readKeyring(path); err == nil {
			keys = append(keys, k...)
		}
	}
	if len(keys) == 0 {
		return nil, because(ErrNoKeyring, "the archive's keys are not on this machine: install them with `apt-get install debian-archive-keyring`, or give a file with --keyring FILE")
	}
	return keys, nil
}

// readKeyring reads a keyring file, binary (.gpg, .pgp) or armored (.asc).
func readKeyring(path string) (openpgp.EntityList, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(data, []byte("-----BEGIN PGP")) {
		return openpgp.ReadArmoredKeyRing(bytes.NewReader(data))
	}
	if len(data) > 12 && string(data[8:12]) == "KBXf" {
		return nil, fmt.Errorf("it is a GnuPG keybox: export it with `gpg --export`")
	}
	return openpgp.ReadKeyRing(bytes.NewReader(data))
}
