package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// lay puts files under a folder, without a leading part of their names.
func lay(t *testing.T, folder string, files map[string][]byte) {
	t.Helper()
	for name, data := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestParse(t *testing.T) {
	g := NewWithT(t)
	folder := t.TempDir()
	lay(t, folder, map[string][]byte{"vmlinuz": nil, "a,b": nil, "modules/x": nil, "debs/linux-image-1_1_amd64.deb": nil, "empty/x": nil})
	path := func(name string) string { return filepath.Join(folder, name) }

	table, err := Table()
	g.Expect(err).NotTo(HaveOccurred())
	for _, s := range table {
		source, err := Parse(s.Name())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(source.Kind).To(Equal(FromArchive))
		g.Expect(source.Series).To(Equal(s))
	}
	for name, want := range map[string]Source{
		"installed":                             {Kind: FromBoot},
		"installed:6.1.0-9":                     {Kind: FromBoot, Release: "6.1.0-9"},
		path("vmlinuz"):                         {Kind: FromFile, Path: path("vmlinuz")},
		path("vmlinuz") + "," + path("modules"): {Kind: FromFile, Path: path("vmlinuz"), Modules: path("modules")},
		path("a,b"):                             {Kind: FromFile, Path: path("a,b")},
		path("debs"):                            {Kind: FromPackages, Path: path("debs")},
	} {
		want.name = name
		g.Expect(Parse(name)).To(Equal(want))
		g.Expect(want.String()).To(Equal(name))
	}
	for name, words := range map[string]string{
		"debian:6.13":                  "nearest is debian:6.12 or debian:6.16",
		"debian:4.19":                  "nearest is debian:5.10",
		"debian:9.0":                   "nearest is debian:7.3",
		"debian:bookworm":              "the table has debian:5.10, ",
		"6.12":                         "perhaps debian:6.12 was meant",
		"":                             "neither a file nor a folder",
		path("none"):                   "neither a file nor a folder",
		path("empty"):                  "has no .deb file",
		path("vmlinuz") + ",/nonesuch": "not a folder of modules",
	} {
		_, err := Parse(name)
		g.Expect(err).To(MatchError(ErrUnknown), name)
		g.Expect(err.Error()).To(ContainSubstring(words))
	}
}

func TestPullFromFile(t *testing.T) {
	const release = "6.12.9"
	kernel := fakeVmlinux(release, false)
	modules := map[string][]byte{}
	for name, data := range kernelTree(release) {
		if rest, ok := strings.CutPrefix(name, "usr/lib/modules/"); ok {
			modules[rest] = data
		}
	}

	t.Run("an ELF file with everything built in", func(t *testing.T) {
		g := NewWithT(t)
		o := Options{Cache: t.TempDir()}
		path := filepath.Join(t.TempDir(), "vmlinux")
		g.Expect(os.WriteFile(path, kernel, 0o644)).To(Succeed())
		image, err := Pull(t.Context(), path, o)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(image.Release).To(Equal(release))
		g.Expect(image.PVH).To(BeFalse())
		g.Expect(image.BzImage).To(BeEmpty())
		g.Expect(image.Modules).To(BeEmpty())
		g.Expect(image.Origin).To(Equal(Origin{Path: path, SHA256: sum(kernel)}))

		// Built anew under the same name, it is another image.
		g.Expect(os.WriteFile(path, fakeVmlinux("6.12.10", true), 0o644)).To(Succeed())
		image, err = Pull(t.Context(), path, o)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(image.Release).To(Equal("6.12.10"))
		g.Expect(Cached(o)).To(HaveLen(1))
	})
	t.Run("a bzImage with modules beside it, or named", func(t *testing.T) {
		g := NewWithT(t)
		folder := t.TempDir()
		o := Options{Cache: t.TempDir()}
		lay(t, folder, map[string][]byte{"vmlinuz": fakeBzImage(packGzip(kernel)), "alone/vmlinuz": fakeBzImage(packGzip(kernel))})
		lay(t, filepath.Join(folder, "modules"), modules)
		for _, name := range []string{"vmlinuz", "alone/vmlinuz," + folder + "/modules", "alone/vmlinuz," + folder + "/modules/" + release} {
			image, err := Pull(t.Context(), filepath.Join(folder, name), o)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(image.Modules).To(HaveLen(7), name)
			g.Expect(os.ReadFile(image.Kernel)).To(Equal(kernel))
		}
		image, err := Pull(t.Context(), filepath.Join(folder, "alone/vmlinuz"), o)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(image.Modules).To(BeEmpty())
	})
	t.Run("modules of another kernel", func(t *testing.T) {
		folder := t.TempDir()
		lay(t, folder, map[string][]byte{"vmlinux": fakeVmlinux("6.12.10", true)})
		lay(t, filepath.Join(folder, "m"), modules)
		failing(t, folder+"/vmlinux,"+folder+"/m/"+release, Options{Cache: t.TempDir()}, ErrNotKernel, "is built for 6.12.9, and the kernel is 6.12.10")
		failing(t, folder+"/vmlinux,"+folder+"/m", Options{Cache: t.TempDir()}, ErrNotKernel, "has no modules of 6.12.10")
	})
	t.Run("no kernel", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "vmlinuz")
		lay(t, "/", map[string][]byte{path: []byte("a text")})
		failing(t, path, Options{Cache: t.TempDir()}, ErrNotKernel, "neither a bzImage (vmlinuz) nor an ELF file")
	})
}

func TestPullInstalled(t *testing.T) {
	g := NewWithT(t)
	root := t.TempDir()
	o := Options{Cache: t.TempDir(), root: root}
	failing(t, "installed", o, ErrUnknown, "no kernel is installed")
	for _, release := range []string{"6.1.0-9-cloud-amd64", "6.1.0-56-cloud-amd64"} {
		lay(t, root, kernelTree(release))
	}
	lay(t, root, map[string][]byte{"boot/vmlinuz-6.9.0-removed": nil})
	image, err := Pull(t.Context(), "installed", o)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(image.Release).To(Equal("6.1.0-56-cloud-amd64"))
	g.Expect(image.HZ).To(Equal(250))
	g.Expect(image.Modules).To(HaveLen(7))
	image, err = Pull(t.Context(), "installed:6.1.0-9-cloud-amd64", o)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(image.Release).To(Equal("6.1.0-9-cloud-amd64"))
	failing(t, "installed:5.5", Options{Cache: t.TempDir(), root: root}, ErrUnknown, "there is 6.1.0-9-cloud-amd64, 6.1.0-56-cloud-amd64")
}

func TestPullFromPackages(t *testing.T) {
	g := NewWithT(t)
	folder := t.TempDir()
	deb := whole("6.12.9", "6.12.9-1").deb
	lay(t, folder, map[string][]byte{
		"linux-image-6.12.9_6.12.9-1_amd64.deb":     deb,
		"linux-image-6.12.9-dbg_6.12.9-1_amd64.deb": []byte("not opened"),
		"linux-headers-6.12.9_6.12.9-1_amd64.deb":   []byte("not opened"),
		"linux-libc-dev_6.12.9-1_amd64.deb":         []byte("not opened"),
	})
	image, err := Pull(t.Context(), folder, Options{Cache: t.TempDir()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(image.Release).To(Equal("6.12.9"))
	g.Expect(image.Modules).To(HaveLen(7))
	g.Expect(image.Origin.Package).To(Equal("linux-image-6.12.9"))
	g.Expect(image.Origin.SHA256).To(Equal(sum(deb)))

	lay(t, folder, map[string][]byte{"linux-image-6.12.8_6.12.8-1_amd64.deb": deb})
	failing(t, folder, Options{Cache: t.TempDir()}, ErrNotKernel, "several kernels (6.12.8, 6.12.9)")
	broken := t.TempDir()
	lay(t, broken, map[string][]byte{"linux-image-6.12.9_6.12.9-1_amd64.deb": deb[:len(deb)/2]})
	_, err = Pull(t.Context(), broken, Options{Cache: t.TempDir()})
	g.Expect(err).To(MatchError(ContainSubstring("cannot be unpacked")))
}
