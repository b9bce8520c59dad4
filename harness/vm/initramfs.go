package vm

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// entry is one file of an initramfs.
type entry struct {
	name         string // without a leading slash
	mode         uint32 // type and permissions, as in stat(2)
	major, minor uint32 // of a device
	size         int64
	content      io.Reader // size bytes; nil for none
}

// archive writes a cpio archive in the newc format, which is what the kernel unpacks into its root.
// Everything is root's, and of no particular time, so that equal contents give equal bytes.
type archive struct {
	to    io.Writer
	inode uint32
	at    int64
	held  map[string]bool // folders and libraries that executables have brought along
}

func (a *archive) add(e entry) error {
	a.inode++
	links := 1
	if e.mode&unix.S_IFMT == unix.S_IFDIR {
		links = 2
	}
	fields := []uint32{
		a.inode, e.mode, 0, 0, uint32(links), 0, uint32(e.size),
		0, 0, e.major, e.minor, uint32(len(e.name) + 1), 0,
	}
	var head strings.Builder
	head.WriteString("070701")
	for _, field := range fields {
		fmt.Fprintf(&head, "%08x", field)
	}
	head.WriteString(e.name)
	head.WriteByte(0)
	if err := a.write(strings.NewReader(head.String()), int64(head.Len())); err != nil {
		return fmt.Errorf("cannot put %s into the initramfs: %w", e.name, err)
	}
	if e.content == nil {
		return nil
	}
	if err := a.write(e.content, e.size); err != nil {
		return fmt.Errorf("cannot put %s into the initramfs: %w", e.name, err)
	}
	return nil
}

// write copies exactly size bytes and pads them to a multiple of four.
func (a *archive) write(from io.Reader, size int64) error {
	n, err := io.CopyN(a.to, from, size)
	a.at += n
	if err != nil {
		return err
	}
	pad := -a.at & 3
	a.at += pad
	_, err = a.to.Write(make([]byte, pad))
	return err
}

func (a *archive) directory(name string) error {
	return a.add(entry{name: name, mode: unix.S_IFDIR | 0o755})
}

func (a *archive) bytes(name string, content []byte) error {
	return a.add(entry{name: name, mode: unix.S_IFREG | 0o644, size: int64(len(content)), content: strings.NewReader(string(content))})
}

func (a *archive) file(name string, mode uint32, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return a.add(entry{name: name, mode: unix.S_IFREG | mode, size: info.Size(), content: file})
}

// executable adds a program under a name, and the libraries it needs where its loader looks for them.
func (a *archive) executable(name, path string) error {
	needed, err := libraries(path)
	if err != nil {
		return err
	}
	for _, library := range needed {
		if err := a.bring(strings.TrimPrefix(library, "/"), library); err != nil {
			return err
		}
	}
	return a.bring(strings.TrimPrefix(name, "/"), path)
}

// bring adds an executable file and the folders above it, once each.
func (a *archive) bring(name, path string) error {
	if a.held == nil {
		a.held = map[string]bool{}
	}
	for i, letter := range name {
		if folder := name[:i]; letter == '/' && !a.held[folder] {
			a.held[folder] = true
			if err := a.directory(folder); err != nil {
				return err
			}
		}
	}
	if a.held[name] {
		return nil
	}
	a.held[name] = true
	return a.file(name, 0o755, path)
}

func (a *archive) close() error { return a.add(entry{name: "TRAILER!!!"}) }
