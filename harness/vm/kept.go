package vm

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// snapshot is a machine that has stopped: its memory, and what its devices remember.
type snapshot struct {
	memory  *os.File // the first bytes of it, as many as the machine has; pages of zeros may be holes
	devices []byte
}

// A snapshot's file is the memory, the devices, and this behind them.
type trailer struct {
	Devices uint32 // their bytes
	Sum     uint32 // of both
	Format  uint64
}

const (
	snapshotFormat = 0x68616c666f706531 // "halfope1"
	trailerSize    = 16

	// mostSnapshots is how many a folder keeps, those that were used last. One is 130 to 180 MB.
	mostSnapshots = 12

	// abandoned is the age at which a file that is being written is one whose writer was killed, and a lock nobody's. If
	// it is somebody's, two make the same snapshot, and one of them is kept.
	abandoned = time.Hour
)

// openSnapshot reads a kept snapshot and verifies it; fs.ErrNotExist if there is none.
func openSnapshot(path string, size int64) (kept *snapshot, err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0) // what the emulator asks for, though its memory is a private copy
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	var end trailer
	if err := binary.Read(io.NewSectionReader(file, info.Size()-trailerSize, trailerSize), binary.BigEndian, &end); err != nil {
		return nil, err
	}
	if end.Format != snapshotFormat || info.Size() != size+int64(end.Devices)+trailerSize {
		return nil, fmt.Errorf("%s is not whole", path)
	}
	kept = &snapshot{memory: file, devices: make([]byte, end.Devices)}
	if _, err := file.ReadAt(kept.devices, size); err != nil {
		return nil, err
	}
	sum := newPageSum()
	if err := eachRun(file, size, sum.add); err != nil {
		return nil, err
	}
	if sum.with(kept.devices) != end.Sum {
		return nil, fmt.Errorf("%s was changed", path)
	}
	now := time.Now()
	return kept, os.Chtimes(path, now, now)
}

// keep puts the snapshot into a file, whole or not at all.
func (s *snapshot) keep(path string, size int64) (err error) {
	part, err := os.CreateTemp(filepath.Dir(path), partPrefix+"*")
	if err != nil {
		return err
	}
	defer func() {
		part.Close()
		if err != nil {
			_ = os.Remove(part.Name())
		}
	}()
	sum := newPageSum()
	err = eachRun(s.memory, size, func(at int64, pages []byte) error {
		_, err := part.WriteAt(pages, at)
		return errors.Join(err, sum.add(at, pages))
	})
	if err != nil {
		return err
	}
	end, err := binary.Append(slices.Clone(s.devices), binary.BigEndian, trailer{
		Devices: uint32(len(s.devices)), Sum: sum.with(s.devices), Format: snapshotFormat,
	})
	if err != nil {
		return err
	}
	if _, err := part.WriteAt(end, size); err != nil {
		return err
	}
	return os.Rename(part.Name(), path)
}

const partPrefix = ".part-"

// prune removes all snapshots of a folder but those that were used last.
func prune(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var kept []fs.FileInfo
	for _, entry := range entries {
		info, err := entry.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist): // somebody else prunes
		case err != nil:
			return err
		case strings.HasPrefix(entry.Name(), partPrefix), filepath.Ext(entry.Name()) == lockExt:
			if time.Since(info.ModTime()) > abandoned {
				err = os.Remove(filepath.Join(folder, entry.Name()))
			}
		case filepath.Ext(entry.Name()) == snapshotExt:
			kept = append(kept, info)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	slices.SortFunc(kept, func(a, b fs.FileInfo) int { return cmp.Compare(b.ModTime().UnixNano(), a.ModTime().UnixNano()) })
	for _, old := range kept[min(len(kept), mostSnapshots):] {
		if err := os.Remove(filepath.Join(folder, old.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

const pageSize = 4096

// eachRun calls with what of a file is not zeros, in whole pages and in their order. The pages are the caller's until
// the next.
func eachRun(file *os.File, size int64, do func(at int64, pages []byte) error) error {
	var zeros [pageSize]byte
	buffer := make([]byte, 256*pageSize)
	for at := int64(0); at < size; {
		data, err := unix.Seek(int(file.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) || err == nil && data >= size {
			return nil // the rest is a hole
		}
		if err != nil {
			return err
		}
		at = data &^ (pageSize - 1)
		n, err := file.ReadAt(buffer[:min(int64(len(buffer)), size-at)], at)
		if err != nil && (err != io.EOF || n < pageSize) {
			return err
		}
		n &^= pageSize - 1
		for from, to := 0, 0; to <= n; to += pageSize {
			if to < n && string(buffer[to:to+pageSize]) != string(zeros[:]) {
				continue
			}
			if from < to {
				if err := do(at+int64(from), buffer[from:to]); err != nil {
					return err
				}
			}
			from = to + pageSize
		}
		at += int64(n)
	}
	return nil
}

// pageSum is a checksum of pages and where they are. It finds what a disk or a killed process did.
type pageSum struct{ hash.Hash32 }

func newPageSum() pageSum { return pageSum{crc32.New(crc32.MakeTable(crc32.Castagnoli))} }

func (s pageSum) add(at int64, pages []byte) error {
	var place [8]byte
	for ; len(pages) > 0; at, pages = at+pageSize, pages[pageSize:] {
		binary.BigEndian.PutUint64(place[:], uint64(at))
		_, _ = s.Write(place[:]) // a hash takes everything
		_, _ = s.Write(pages[:pageSize])
	}
	return nil
}

// with is the sum with the devices at the end.
func (s pageSum) with(devices []byte) uint32 {
	_, _ = s.Write(devices)
	return s.Sum32()
}
