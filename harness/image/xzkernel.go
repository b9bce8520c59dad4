package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// An xz-packed kernel is one xz block with two filters, x86 branch conversion and then LZMA2
// (scripts/xz_wrap.sh: --check=crc32 --x86 --lzma2=dict=32MiB). The xz library knows LZMA2 only, so
// the container and the branch filter are read here. Format: The .xz File Format 1.2.1.

const (
	filterX86   = 0x04
	filterLZMA2 = 0x21
	checkCRC32  = 0x01
)

// unpackXZKernel unpacks the first block of an xz stream to exactly size bytes.
func unpackXZKernel(data []byte, size int) ([]byte, error) {
	const streamHeader = 12
	if len(data) < streamHeader+2 || !bytes.HasPrefix(data, magicXZ) {
		return nil, errors.New("xz: the stream header is missing")
	}
	check := data[7]
	block := data[streamHeader:]
	headerSize := (int(block[0]) + 1) * 4
	if headerSize > len(block) || crc32.ChecksumIEEE(block[:headerSize-4]) != binary.LittleEndian.Uint32(block[headerSize-4:]) {
		return nil, errors.New("xz: the block header is damaged")
	}
	flags, fields := block[1], bytes.NewReader(block[2:headerSize-4])
	for _, sized := range []byte{0x40, 0x80} { // compressed size, uncompressed size
		if flags&sized != 0 {
			if _, err := binary.ReadUvarint(fields); err != nil {
				return nil, fmt.Errorf("xz: block header: %w", err)
			}
		}
	}
	x86, dictionary := false, 0
	for range int(flags&3) + 1 {
		id, err := binary.ReadUvarint(fields)
		if err != nil {
			return nil, fmt.Errorf("xz: block header: %w", err)
		}
		n, err := binary.ReadUvarint(fields)
		if err != nil || n > uint64(fields.Len()) {
			return nil, errors.New("xz: the block header is damaged")
		}
		properties := make([]byte, n)
		_, _ = fields.Read(properties)
		switch {
		case id == filterX86 && n == 0:
			x86 = true
		case id == filterLZMA2 && n == 1 && properties[0] < 40:
			dictionary = (2 | int(properties[0]&1)) << (properties[0]/2 + 11)
		default:
			return nil, fmt.Errorf("xz: filter %#x is not one the kernel is packed with", id)
		}
	}
	packed := bytes.NewReader(block[headerSize:])
	r, err := lzma.Reader2Config{DictCap: max(dictionary, lzma.MinDictCap)}.NewReader2(packed)
	if err != nil {
		return nil, fmt.Errorf("xz: %w", err)
	}
	plain := make([]byte, size)
	if _, err := io.ReadFull(r, plain); err != nil {
		return nil, fmt.Errorf("xz: %w", err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return nil, fmt.Errorf("xz: it unpacks to more than %d bytes", size)
	}
	if x86 {
		decodeX86(plain)
	}
	if check == checkCRC32 {
		at := headerSize + int(packed.Size()) - packed.Len()
		at = (at + 3) &^ 3 // the block is padded to 4 bytes
		if at+4 > len(block) || binary.LittleEndian.Uint32(block[at:]) != crc32.ChecksumIEEE(plain) {
			return nil, errors.New("xz: the checksum is wrong")
		}
	}
	return plain, nil
}

// decodeX86 undoes the branch conversion of xz: targets of call and jmp, made absolute for better
// packing, become relative again. After lib/xz/xz_dec_bcj.c (bcj_x86).
func decodeX86(buf []byte) {
	allowed := [8]bool{true, true, true, false, true, false, false, false}
	bitNumber := [8]uint{0, 1, 2, 2, 3, 3, 3, 3}
	topIsSign := func(b byte) bool { return b == 0x00 || b == 0xff }

	prevPos, prevMask := -1, uint32(0)
	for i := 0; i+4 < len(buf); i++ {
		if buf[i]&0xfe != 0xe8 {
			continue
		}
		prevPos = i - prevPos
		if prevPos > 3 {
			prevMask = 0
		} else {
			prevMask = (prevMask << (uint(prevPos) - 1)) & 7
			if prevMask != 0 {
				b := buf[i+4-int(bitNumber[prevMask])]
				if !allowed[prevMask] || topIsSign(b) {
					prevPos = i
					prevMask = prevMask<<1 | 1
					continue
				}
			}
		}
		prevPos = i
		if !topIsSign(buf[i+4]) {
			prevMask = prevMask<<1 | 1
			continue
		}
		src := binary.LittleEndian.Uint32(buf[i+1:])
		var dest uint32
		for {
			dest = src - uint32(i+5)
			if prevMask == 0 {
				break
			}
			j := bitNumber[prevMask] * 8
			if !topIsSign(byte(dest >> (24 - j))) {
				break
			}
			src = dest ^ (1<<(32-j) - 1)
		}
		dest &= 0x01ffffff
		dest |= -(dest & 0x01000000)
		binary.LittleEndian.PutUint32(buf[i+1:], dest)
		i += 4
	}
}
