package guest

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
)

func TestASignatureIsLeftOut(t *testing.T) {
	g := NewWithT(t)
	signed := func(length byte, mark []byte) []byte {
		return slices.Concat([]byte("ELF module"), []byte("signature"), make([]byte, signatureInfo-4), []byte{0, 0, 0, length}, mark)
	}
	g.Expect(string(unsigned(signed(9, signatureMark)))).To(Equal("ELF module"))
	for _, other := range [][]byte{nil, []byte("ELF module"), signatureMark, signed(9, nil), signed(200, signatureMark)} {
		g.Expect(unsigned(other)).To(Equal(other), "%q has no whole signature", other)
	}
}
