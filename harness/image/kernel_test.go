package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/ulikunitz/xz/lzma"
)

func TestUnpackKernel(t *testing.T) {
	kernel := fakeVmlinux("6.12.9", true)
	packLZMA := func(data []byte) []byte {
		var b bytes.Buffer
		w, _ := lzma.NewWriter(&b)
		_, _ = w.Write(data)
		_ = w.Close()
		return b.Bytes()
	}
	for name, payload := range map[string][]byte{
		"zstd": sized(packZstd(kernel), len(kernel)),
		"gzip": packGzip(kernel), // its own trailer is the size
		"lz4":  sized(literalLZ4(kernel), len(kernel)),
		"lzma": sized(packLZMA(kernel), len(kernel)),
		"none": sized(bytes.Clone(kernel), len(kernel)),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(unpackKernel(fakeBzImage(payload))).To(Equal(kernel))
			whole := fakeBzImage(payload)
			_, err := unpackKernel(whole[:len(whole)-len("what follows the payload")-1])
			g.Expect(err).To(MatchError(ContainSubstring("cut short")))
			if name != "none" {
				_, err = unpackKernel(fakeBzImage(append(bytes.Clone(payload[:len(payload)/2]), payload[len(payload)-4:]...)))
				g.Expect(err).To(HaveOccurred())
			}
		})
	}
	t.Run("unknown", func(t *testing.T) {
		_, err := unpackKernel(fakeBzImage(sized([]byte("packed in some way to come"), 100)))
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("unknown way")))
	})
}

// literalLZ4 is the legacy frame with nothing in it but literals.
func literalLZ4(data []byte) []byte {
	block := []byte{0xf0}
	n := len(data) - 15
	for ; n >= 255; n -= 255 {
		block = append(block, 255)
	}
	block = append(append(block, byte(n)), data...)
	return append(sized(bytes.Clone(magicLZ4), len(block)), block...)
}

func TestLZ4Matches(t *testing.T) {
	g := NewWithT(t)
	// "ab", 13 more bytes from 2 back, "xyz", 4 bytes from 5 back, "!"
	block := []byte{0x29, 'a', 'b', 2, 0, 0x30, 'x', 'y', 'z', 5, 0, 0x10, '!'}
	const plain = "abababababababaxyzbaxy!"
	g.Expect(unpackLZ4Block(nil, block, len(plain))).To(BeEquivalentTo(plain))
	for i, limit := range []int{len(plain) - 1, 3} {
		_, err := unpackLZ4Block(nil, block, limit)
		g.Expect(err).To(HaveOccurred(), "%d", i)
	}
	for cut := range len(block) {
		if got, err := unpackLZ4Block(nil, block[:cut], len(plain)); err == nil {
			g.Expect(len(got)).To(BeNumerically("<", len(plain)))
		}
	}
	_, err := unpackLZ4Block(nil, []byte{0x10, 'a', 9, 0, 0}, 100)
	g.Expect(err).To(HaveOccurred(), "a match from before the beginning")
}

// testdata/x86.xz is 32 KB of machine code, packed as the kernel's build packs:
// xz --check=crc32 --x86 --lzma2=dict=32MiB.
func TestUnpackXZKernel(t *testing.T) {
	g := NewWithT(t)
	packed := must[[]byte](t)(os.ReadFile("testdata/x86.xz"))
	plain, err := unpackXZKernel(packed, 32<<10)
	g.Expect(err).NotTo(HaveOccurred())
	hash := sha256.Sum256(plain)
	g.Expect(hex.EncodeToString(hash[:])).To(Equal("c0cfae65646c603528a772e2aaa28ef12ad751a3f0aaf8214e2bb845f62056e4"))

	again := bytes.Clone(plain)
	decodeX86(again)
	g.Expect(again).NotTo(Equal(plain), "the code has branches that the filter changes")
	for _, at := range []int{5, 14, 20, 5000} {
		damaged := bytes.Clone(packed)
		damaged[at] ^= 0x10
		_, err := unpackXZKernel(damaged, 32<<10)
		g.Expect(err).To(HaveOccurred(), "damage at %d", at)
	}
	_, err = unpackXZKernel(packed, 32<<10-1)
	g.Expect(err).To(MatchError(ContainSubstring("more than")))
	for cut := range 40 {
		_, err := unpackXZKernel(packed[:cut], 32<<10)
		g.Expect(err).To(HaveOccurred(), "cut at %d", cut)
	}
}

func TestDescribeKernel(t *testing.T) {
	g := NewWithT(t)
	for _, pvh := range []bool{true, false} {
		release, has, err := describeKernel(fakeVmlinux("5.10.0-46-cloud-amd64", pvh))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(release).To(Equal("5.10.0-46-cloud-amd64"))
		g.Expect(has).To(Equal(pvh))
	}
	other := fakeVmlinux("6.1.0", true)
	other[18] = 183 // EM_AARCH64
	_, _, err := describeKernel(other)
	g.Expect(err).To(MatchError(ContainSubstring("guests are x86-64")))
	_, _, err = describeKernel(fakeModule("6.1.0"))
	g.Expect(err).To(MatchError(ContainSubstring("Linux version")))
	carried := append(fakeVmlinux("6.1.0", true), fmt.Sprintf("IKCFG_ST%sIKCFG_ED", packGzip([]byte("CONFIG_HZ=100\n")))...)
	g.Expect(configInKernel(carried)).To(BeEquivalentTo("CONFIG_HZ=100\n"))
	g.Expect(configInKernel(other)).To(BeNil())
}

func TestVersions(t *testing.T) {
	g := NewWithT(t)
	inOrder := []string{"5.10.223-1", "5.10.262-1", "6.1.99-2", "6.1.192-1", "6.1.192-2", "6.12.115-2~deb12u1", "6.12.115-2", "7.2.9-1~bpo13+1", "7.2.12-1~bpo13+1", "7.2.12-1", "7.3~rc7-1~exp1", "7.3-1", "7.3.4-1~bpo13+1", "7.3.4-1", "1:1.0-1"}
	for i, a := range inOrder {
		for j, b := range inOrder {
			g.Expect(compareVersions(a, b)).To(Equal(cmpInt(i, j)), "%s and %s", a, b)
		}
	}
	g.Expect(seriesOf("7.3~rc7-1~exp1")).To(Equal("7.3"))
	g.Expect(seriesOf("6.12.117-1~deb12u1")).To(Equal("6.12"))
	g.Expect(seriesOf("1:5.10.0-1")).To(Equal("5.10"))
}

func cmpInt(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
