package image

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// TestRealArchive pulls from the archive that this machine's apt is configured with. It downloads
// about 120 MB, so it runs only when HALFOPEN_TEST_ARCHIVE=1 asks for it.
func TestRealArchive(t *testing.T) {
	if os.Getenv("HALFOPEN_TEST_ARCHIVE") != "1" {
		t.Skip("HALFOPEN_TEST_ARCHIVE=1 pulls from the real archive")
	}
	table, err := Table()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Cache: t.TempDir()}
	names := []string{"debian:5.10", "debian:6.1", "debian:6.12", table[len(table)-1].Name()}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			start := time.Now()
			image, err := Pull(t.Context(), name, o)
			if errors.Is(err, ErrNoMirror) {
				t.Skip(err)
			}
			g.Expect(err).NotTo(HaveOccurred())
			took := time.Since(start)
			start = time.Now()
			_, err = Pull(t.Context(), name, o)
			g.Expect(err).NotTo(HaveOccurred())
			t.Logf("%s %s from %s: %.1f MB, %d modules; made in %.1f s, from the cache in %.2f s",
				image.Release, image.Origin.Version, image.Origin.Suite, float64(image.Bytes)/1e6, len(image.Modules), took.Seconds(), time.Since(start).Seconds())

			g.Expect("debian:" + seriesOf(image.Release)).To(Equal(name))
			g.Expect(image.Origin.SignedBy).NotTo(BeEmpty())
			g.Expect(image.PVH).To(BeTrue())
			g.Expect(image.HZ).To(BeNumerically(">", 0))
			kernel := must[[]byte](t)(os.ReadFile(image.Kernel))
			file, err := elf.NewFile(bytes.NewReader(kernel))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(file.Type).To(Equal(elf.ET_EXEC))
			loaded := map[string]bool{}
			for _, m := range image.Modules {
				for _, need := range m.Needs {
					g.Expect(loaded).To(HaveKey(need), "%s is loaded before %s", need, m.Name)
				}
				loaded[m.Name] = true
			}
			for _, name := range []string{"veth", "bridge", "nf_tables", "nft_reject_inet", "nft_ct", "nft_nat", "nft_masq", "nf_conntrack", "inet_diag", "tcp_diag", "virtio_net"} {
				g.Expect(loaded).To(HaveKey(name))
			}
		})
	}
}
