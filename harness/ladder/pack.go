package ladder

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// Packer compresses drawings for a page that draws them when they are looked at: base64 of gzip of JSON. It
// keeps what a compressor needs, which costs more than a few drawings do; the zero value is ready, for one
// goroutine.
type Packer struct{ gzip *gzip.Writer }

// Pack compresses a value that holds drawings of Inline. What is alike packs best side by side: a compressor
// looks back 32 KiB. An error wraps the JSON encoder's.
func (p *Packer) Pack(drawings any) (string, error) {
	var packed bytes.Buffer
	if p.gzip == nil {
		p.gzip = gzip.NewWriter(&packed)
	} else {
		p.gzip.Reset(&packed)
	}
	encoder := json.NewEncoder(p.gzip)
	encoder.SetEscapeHTML(false)
	if err := errors.Join(encoder.Encode(drawings), p.gzip.Close()); err != nil {
		return "", fmt.Errorf("ladders could not be packed: %w", err)
	}
	return base64.StdEncoding.EncodeToString(packed.Bytes()), nil
}
