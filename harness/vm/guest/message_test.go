package guest

import (
	"bytes"
	"io"
	"testing"

	. "github.com/onsi/gomega"
)

func TestMessagesCrossWhole(t *testing.T) {
	g := NewWithT(t)
	var stream bytes.Buffer
	long := bytes.Repeat([]byte{0, 10, 255}, 1<<16)
	g.Expect(Write(&stream, Up, nil)).To(Succeed())
	g.Expect(Write(&stream, Said, long)).To(Succeed())
	kind, payload, err := Read(&stream)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(kind).To(Equal(Up))
	g.Expect(payload).To(BeEmpty())
	kind, payload, err = Read(&stream)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(kind).To(Equal(Said))
	g.Expect(payload).To(Equal(long))
	_, _, err = Read(&stream)
	g.Expect(err).To(Equal(io.EOF))
}

func TestAStreamThatBreaksOffIsNotGarbled(t *testing.T) {
	g := NewWithT(t)
	var stream bytes.Buffer
	g.Expect(Write(&stream, Said, []byte("half of this"))).To(Succeed())
	stream.Truncate(9)
	_, _, err := Read(&stream)
	g.Expect(err).To(MatchError(io.ErrUnexpectedEOF))
	_, _, err = Read(bytes.NewReader([]byte{byte(End), 0}))
	g.Expect(err).To(MatchError(io.ErrUnexpectedEOF))
}

func FuzzRead(f *testing.F) {
	f.Add([]byte{byte(Said), 0, 0, 0, 1, 7})
	f.Add([]byte{byte(Up), 255, 255, 255, 255})
	f.Add([]byte("login: "))
	f.Fuzz(func(t *testing.T, stream []byte) {
		from := bytes.NewReader(stream)
		for {
			if _, _, err := Read(from); err != nil {
				return
			}
		}
	})
}
