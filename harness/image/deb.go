package image

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// maxUnpacked bounds what one package may unpack to; Debian's largest kernel package has 700 MB.
const maxUnpacked = 4 << 30

// unpackDeb takes the kernel, its configuration and its modules out of a .deb file (deb(5): an ar
// archive with a packed tar in it) and puts them under folder. read is told how far the file is read.
func unpackDeb(ctx context.Context, deb, folder string, read func(done, total int64)) error {
	file, err := os.Open(deb)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	counted := &countingReader{ctx: ctx, r: file, total: info.Size(), report: read}
	data, err := arMember(bufio.NewReaderSize(counted, 256<<10), "data.tar")
	if err != nil {
		return fmt.Errorf("%s is not a .deb file: %w", filepath.Base(deb), err)
	}
	plain, err := decompress(data)
	if err != nil {
		return fmt.Errorf("%s cannot be unpacked: %w", filepath.Base(deb), err)
	}
	defer plain.Close()
	if err := untar(plain, folder); err != nil {
		return fmt.Errorf("%s cannot be unpacked: %w", filepath.Base(deb), err)
	}
	return nil
}

// arMember finds the member whose name starts with prefix. Headers are 60 bytes of text: name 16,
// time 12, owner 6, group 6, mode 8, size 10, and "`\n"; contents are padded to an even length.
func arMember(r io.Reader, prefix string) (io.Reader, error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head); err != nil || string(head) != "!<arch>\n" {
		return nil, errors.New("it is no ar archive")
	}
	for {
		header := make([]byte, 60)
		if _, err := io.ReadFull(r, header); err == io.EOF {
			return nil, fmt.Errorf("it has no %s", prefix)
		} else if err != nil {
			return nil, fmt.Errorf("it is cut short: %w", err)
		}
		size, err := strconv.ParseInt(strings.TrimSpace(string(header[48:58])), 10, 64)
		if err != nil || size < 0 || string(header[58:]) != "`\n" {
			return nil, errors.New("its ar header is damaged")
		}
		name := strings.TrimSuffix(strings.TrimSpace(string(header[:16])), "/")
		if strings.HasPrefix(name, prefix) {
			return &exactReader{r: r, left: size}, nil
		}
		if _, err := io.CopyN(io.Discard, r, size+size%2); err != nil {
			return nil, fmt.Errorf("it is cut short: %w", err)
		}
	}
}

// untar writes the files that matter; all else in a kernel's package is documentation.
func untar(r io.Reader, folder string) error {
	archive := tar.NewReader(r)
	left := int64(maxUnpacked)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path.Clean("/"+header.Name), "/") // no ".." survives this
		if header.Typeflag != tar.TypeReg || !matters(name) {
			continue
		}
		if left -= header.Size; left < 0 {
			return fmt.Errorf("it unpacks to more than %d bytes", int64(maxUnpacked))
		}
		target := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		out, err := os.Create(target)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, archive)
		if err := errors.Join(err, out.Close()); err != nil {
			return err
		}
	}
}

func matters(name string) bool {
	name = strings.TrimPrefix(name, "usr/")
	return strings.HasPrefix(name, "lib/modules/") ||
		strings.HasPrefix(name, "boot/vmlinuz-") || strings.HasPrefix(name, "boot/config-")
}

// exactReader reads exactly left bytes: less is an unexpected end.
type exactReader struct {
	r    io.Reader
	left int64
}

func (e *exactReader) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > e.left {
		p = p[:e.left]
	}
	n, err := e.r.Read(p)
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// countingReader reports how far it is and stops when ctx ends.
type countingReader struct {
	ctx    context.Context
	r      io.Reader
	done   int64
	total  int64
	report func(done, total int64)
}

func (c *countingReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.done += int64(n)
	if n > 0 && c.report != nil {
		c.report(c.done, c.total)
	}
	return n, err
}
