package image

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

var (
	magicXZ   = []byte{0xfd, '7', 'z', 'X', 'Z', 0}
	magicZstd = []byte{0x28, 0xb5, 0x2f, 0xfd}
	magicGzip = []byte{0x1f, 0x8b}
)

// decompress reads what r holds, told by its first bytes: xz, zstd, gzip, or as it is.
func decompress(r io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	head, err := buffered.Peek(len(magicXZ))
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, magicXZ):
		x, err := xz.NewReader(buffered)
		return io.NopCloser(x), err
	case bytes.HasPrefix(head, magicZstd):
		// One goroutine: the work is small and the cores are the guests'.
		z, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case bytes.HasPrefix(head, magicGzip):
		return gzip.NewReader(buffered)
	}
	return io.NopCloser(buffered), nil
}

// maxWindow is the zstd window allowed. The kernel is packed with `zstd --ultra -22`: 128 MB.
const maxWindow = 128 << 20

// decompressAll is decompress of a whole, of at most limit bytes.
func decompressAll(data []byte, limit int64) ([]byte, error) {
	r, err := decompress(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	plain, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(plain)) > limit {
		return nil, fmt.Errorf("it unpacks to more than %d bytes", limit)
	}
	return plain, nil
}
