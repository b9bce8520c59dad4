package image

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// release is a suite's InRelease file after its signature was found good.
type release struct {
	suite, codename string
	signedBy        string
	byHash          bool
	validUntil      time.Time // zero: for ever
	files           map[string]fileHash
}

type fileHash struct {
	sha256 string // lower-case hex
	size   int64
}

// readRelease verifies an InRelease file and reads it. Only what the signature covers is looked at.
func readRelease(data []byte, keys openpgp.EntityList, now time.Time) (*release, error) {
	block, _ := clearsign.Decode(data)
	if block == nil {
		return nil, because(ErrSignature, "it is not a signed file (a portal or a proxy may have answered instead of the archive)")
	}
	signedBy, err := verify(block, keys, now)
	if err != nil {
		return nil, err
	}
	r := &release{signedBy: signedBy, files: map[string]fileHash{}}
	inHashes := false
	for line := range strings.Lines(string(block.Plaintext)) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, " ") {
			fields := strings.Fields(line)
			if !inHashes || len(fields) != 3 {
				continue
			}
			size, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil || len(fields[0]) != 64 {
				return nil, because(ErrSignature, "its list of hashes is damaged at %q", line)
			}
			r.files[fields[2]] = fileHash{sha256: strings.ToLower(fields[0]), size: size}
			continue
		}
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		inHashes = key == "SHA256"
		switch key {
		case "Suite":
			r.suite = value
		case "Codename":
			r.codename = value
		case "Acquire-By-Hash":
			r.byHash = value == "yes"
		case "Valid-Until":
			if r.validUntil, err = time.Parse("Mon, _2 Jan 2006 15:04:05 MST", value); err != nil {
				return nil, because(ErrExpired, "its Valid-Until, %q, is not a time", value)
			}
		}
	}
	return r, nil
}

// verify wants one good signature by a key of the keyring. A release file has several, by keys of
// several years; each is looked at by itself, because a library that stops at the first key it knows
// would refuse a file whose first signature is by an expired key and whose second is good.
func verify(block *clearsign.Block, keys openpgp.EntityList, now time.Time) (signer string, err error) {
	config := &packet.Config{Time: func() time.Time { return now }}
	packets := packet.NewReader(block.ArmoredSignature.Body)
	var unknown []string
	var bad error
	for {
		p, err := packets.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			bad = err
			break
		}
		signature, ok := p.(*packet.Signature)
		if !ok {
			continue
		}
		var one bytes.Buffer
		if err := signature.Serialize(&one); err != nil {
			continue
		}
		entity, err := openpgp.CheckDetachedSignature(keys, bytes.NewReader(block.Bytes), &one, config)
		switch {
		case err == nil:
			name := ""
			if identity := entity.PrimaryIdentity(); identity != nil {
				name = " (" + identity.Name + ")"
			}
			return fmt.Sprintf("%X%s", entity.PrimaryKey.Fingerprint, name), nil
		case errors.Is(err, pgperrors.ErrUnknownIssuer):
			if signature.IssuerKeyId != nil {
				unknown = append(unknown, fmt.Sprintf("%016X", *signature.IssuerKeyId))
			}
		default:
			bad = err
		}
	}
	switch {
	case bad != nil:
		return "", because(ErrSignature, "its signature is not good (%w): it was altered on the way, or the mirror is damaged; nothing of it was used", bad)
	case unknown != nil:
		return "", because(ErrSignature, "it is signed by %s, and the keyring has no such key: update the package debian-archive-keyring, or give the right file with --keyring FILE", strings.Join(unknown, ", "))
	}
	return "", because(ErrSignature, "it has no signature that can be read")
}

// check holds the release against what was asked for and the clock.
func (r *release) check(suite string, now time.Time) error {
	if r.suite != suite && r.codename != suite {
		return because(ErrSignature, "it is for the suite %s (%s), not for %s: the mirror mixes them up", r.suite, r.codename, suite)
	}
	if !r.validUntil.IsZero() && now.After(r.validUntil) {
		return because(ErrExpired, "it was valid until %s and this machine's clock says %s: the mirror is not kept up to date, or the clock is wrong",
			r.validUntil.Format(time.DateOnly), now.UTC().Format(time.DateOnly))
	}
	return nil
}
