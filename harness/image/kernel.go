package image

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz/lzma"
)

// The setup header of a bzImage: Documentation/arch/x86/boot.rst.
const (
	setupSectsAt    = 0x1f1
	headerMagicAt   = 0x202 // "HdrS"
	versionAt       = 0x206
	payloadOffsetAt = 0x248 // from the start of the protected-mode code
	payloadLengthAt = 0x24c
	headerEnd       = 0x250
	payloadSince    = 0x0208 // protocol 2.08 has the payload's place
)

// maxKernel is the largest kernel believed in; with all of Debian built in it would be 300 MB.
const maxKernel = 1 << 30

func isELF(data []byte) bool { return bytes.HasPrefix(data, []byte(elf.ELFMAG)) }

func isBzImage(data []byte) bool {
	return len(data) > headerEnd && string(data[headerMagicAt:headerMagicAt+4]) == "HdrS"
}

// unpackKernel gives the ELF file inside a bzImage. It is found by the setup header, which says
// where the payload lies, and not by looking for magic bytes, which other data may have too.
func unpackKernel(image []byte) ([]byte, error) {
	if !isBzImage(image) {
		return nil, errors.New("it has no setup header")
	}
	if v := binary.LittleEndian.Uint16(image[versionAt:]); v < payloadSince {
		return nil, fmt.Errorf("its boot protocol %d.%02d does not say where the payload lies", v>>8, v&0xff)
	}
	sectors := int(image[setupSectsAt])
	if sectors == 0 {
		sectors = 4
	}
	start := int64(sectors+1)*512 + int64(binary.LittleEndian.Uint32(image[payloadOffsetAt:]))
	length := int64(binary.LittleEndian.Uint32(image[payloadLengthAt:]))
	if length < 16 || start+length > int64(len(image)) {
		return nil, errors.New("it is cut short: the payload lies beyond its end")
	}
	payload := image[start : start+length]
	// The build appends the unpacked size to every payload; gzip ends with it by itself.
	size := int64(binary.LittleEndian.Uint32(payload[len(payload)-4:]))
	if size == 0 || size > maxKernel {
		return nil, fmt.Errorf("the payload's size, %d bytes, is not believable", size)
	}
	plain, err := unpackPayload(payload, int(size))
	if err != nil {
		return nil, err
	}
	if !isELF(plain) {
		return nil, errors.New("what it holds is not an ELF file")
	}
	return plain, nil
}

var (
	magicLZ4   = []byte{0x02, 0x21, 0x4c, 0x18} // the legacy frame
	magicBzip2 = []byte("BZh")
	magicLZMA  = []byte{0x5d, 0, 0}
	magicLZO   = []byte{0x89, 'L', 'Z', 'O'}
)

func unpackPayload(payload []byte, size int) ([]byte, error) {
	packed := payload[:len(payload)-4]
	var r io.Reader
	var err error
	switch {
	case bytes.HasPrefix(payload, magicZstd):
		var z *zstd.Decoder
		if z, err = zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow)); err == nil {
			defer z.Close()
			r = z
		}
	case bytes.HasPrefix(payload, magicXZ):
		return unpackXZKernel(packed, size)
	case bytes.HasPrefix(payload, magicGzip):
		r, err = gzip.NewReader(bytes.NewReader(payload))
	case bytes.HasPrefix(payload, magicLZ4):
		return unpackLZ4(packed, size)
	case bytes.HasPrefix(payload, magicBzip2):
		r = bzip2.NewReader(bytes.NewReader(packed))
	case bytes.HasPrefix(payload, magicLZMA):
		r, err = lzma.NewReader(bytes.NewReader(packed))
	case bytes.HasPrefix(payload, magicLZO):
		return nil, errors.New("it is packed with LZO, which is not understood here: unpack it with the kernel's scripts/extract-vmlinux and give the ELF file")
	case isELF(payload):
		return payload[:min(size, len(payload))], nil
	default:
		return nil, fmt.Errorf("it is packed in an unknown way (%x)", payload[:8])
	}
	if err != nil {
		return nil, err
	}
	plain := make([]byte, size)
	if _, err := io.ReadFull(r, plain); err != nil {
		return nil, err
	}
	return plain, nil
}

// unpackLZ4 unpacks the legacy LZ4 frame (lz4 -l): blocks of 8 MB, each preceded by its packed size.
func unpackLZ4(frame []byte, size int) ([]byte, error) {
	frame = frame[len(magicLZ4):]
	plain := make([]byte, 0, size)
	for len(plain) < size {
		if len(frame) < 4 {
			return nil, errors.New("lz4: the frame ends early")
		}
		n := int64(binary.LittleEndian.Uint32(frame))
		if n > int64(len(frame)-4) {
			return nil, errors.New("lz4: a block ends early")
		}
		var err error
		if plain, err = unpackLZ4Block(plain, frame[4:4+n], size); err != nil {
			return nil, err
		}
		frame = frame[4+n:]
	}
	return plain, nil
}

// unpackLZ4Block appends what one block holds to dst. Sequences are a token (lengths of literals and
// of match, 4 bits each, 15 = more bytes follow), literals, a 2-byte distance, and the match; the
// last one has literals only.
func unpackLZ4Block(dst, block []byte, limit int) ([]byte, error) {
	damaged := errors.New("lz4: a block is damaged")
	i, start := 0, len(dst)
	length := func(n int) (int, bool) {
		if n != 15 {
			return n, true
		}
		for i < len(block) {
			b := int(block[i])
			i++
			n += b
			if b != 255 {
				return n, true
			}
		}
		return 0, false
	}
	for i < len(block) {
		token := int(block[i])
		i++
		n, ok := length(token >> 4)
		if !ok || n > len(block)-i || n > limit-len(dst) {
			return nil, damaged
		}
		dst = append(dst, block[i:i+n]...)
		i += n
		if i == len(block) {
			return dst, nil
		}
		if len(block)-i < 2 {
			return nil, damaged
		}
		distance := int(block[i]) | int(block[i+1])<<8
		i += 2
		if n, ok = length(token & 15); !ok || distance == 0 || distance > len(dst)-start || n+4 > limit-len(dst) {
			return nil, damaged
		}
		n += 4
		from := len(dst) - distance
		if distance >= n {
			dst = append(dst, dst[from:from+n]...)
			continue
		}
		for k := range n { // the match overlaps itself: it repeats what it writes
			dst = append(dst, dst[from+k])
		}
	}
	return nil, damaged
}

var banner = lazily(`Linux version (\d[^ \x00-\x1f]{2,64}) \(`)

// describeKernel reads from the ELF file what it is: the release from its banner (linux_banner), and
// whether it has the note with the PVH entry point (XEN_ELFNOTE_PHYS32_ENTRY, CONFIG_PVH).
func describeKernel(kernel []byte) (release string, pvh bool, err error) {
	file, err := elf.NewFile(bytes.NewReader(kernel))
	if err != nil {
		return "", false, fmt.Errorf("it is no ELF file that can be read: %w", err)
	}
	defer file.Close()
	if file.Machine != elf.EM_X86_64 {
		return "", false, fmt.Errorf("it is built for %s, and guests are x86-64", file.Machine)
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_NOTE && p.Filesz < 1<<20 {
			notes := make([]byte, p.Filesz)
			if _, err := p.ReadAt(notes, 0); err == nil && hasNote(notes, p.Align, "Xen", 18) {
				pvh = true
			}
		}
	}
	if m := banner().FindSubmatch(kernel); m != nil {
		release = string(m[1])
	}
	if release == "" {
		return "", pvh, errors.New("it has no \"Linux version\" in it")
	}
	return release, pvh, nil
}

// hasNote looks for one note, {name size, size, type} and then name and contents, each padded.
func hasNote(notes []byte, align uint64, owner string, kind uint32) bool {
	pad := uint64(4)
	if align == 8 {
		pad = 8
	}
	for len(notes) >= 12 {
		nameSize := uint64(binary.LittleEndian.Uint32(notes))
		size := uint64(binary.LittleEndian.Uint32(notes[4:]))
		contents := (12 + nameSize + pad - 1) &^ (pad - 1)
		end := (contents + size + pad - 1) &^ (pad - 1)
		if 12+nameSize > uint64(len(notes)) {
			return false
		}
		name := string(bytes.TrimRight(notes[12:12+nameSize], "\x00"))
		if name == owner && binary.LittleEndian.Uint32(notes[8:]) == kind {
			return true
		}
		if end > uint64(len(notes)) {
			return false
		}
		notes = notes[end:]
	}
	return false
}

// configInKernel gives the configuration a kernel carries itself (CONFIG_IKCONFIG), or nil.
func configInKernel(kernel []byte) []byte {
	_, after, found := bytes.Cut(kernel, []byte("IKCFG_ST\x1f\x8b"))
	if !found {
		return nil
	}
	r, err := gzip.NewReader(io.MultiReader(bytes.NewReader(magicGzip), bytes.NewReader(after)))
	if err != nil {
		return nil
	}
	r.Multistream(false)
	config, err := io.ReadAll(io.LimitReader(r, 4<<20))
	if err != nil {
		return nil
	}
	return config
}

var configHZ = lazily(`(?m)^CONFIG_HZ=(\d+)$`)
