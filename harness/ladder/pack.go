package ladder

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// Packer compresses drawings for a page that draws them when they are looked at: base64 of gzip of a JSON
// array of elements. It keeps what a compressor needs, which costs more than a few drawings do; the zero
// value is ready, for one goroutine.
type Packer struct{ gzip *gzip.Writer }

// Pack compresses the drawings of Inline.
func (p *Packer) Pack(drawings []string) (string, error) {
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
