package image

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
)

const cloud = "6.12.9+deb13-cloud-amd64"

// failing is a Pull that must fail: with this kind of error, and with these words in its sentence.
func failing(t *testing.T, name string, o Options, kind error, words ...string) {
	t.Helper()
	g := NewWithT(t)
	_, err := Pull(t.Context(), name, o)
	g.Expect(err).To(MatchError(kind))
	for _, w := range words {
		g.Expect(err.Error()).To(ContainSubstring(w))
	}
	g.Expect(err.Error()).NotTo(ContainSubstring("\n"), "one sentence")
	left, _ := filepath.Glob(filepath.Join(o.Cache, "*"))
	g.Expect(left).To(Or(BeEmpty(), HaveEach(HaveSuffix(".lock"))), "nothing is left in the cache")
}

func TestPullFromArchive(t *testing.T) {
	g := NewWithT(t)
	a := newArchive(t)
	a.suite("debian-security", "trixie-security", time.Time{}, []fakePackage{
		whole("6.12.8+deb13-cloud-amd64", "6.12.8-1"),
		whole(cloud, "6.12.9-1"),
		whole("6.12.10+deb13-amd64", "6.12.10-1"),
		whole("6.12.10+deb13-rt-amd64", "6.12.10-1"),
		{name: "linux-image-6.12-cloud-amd64", version: "6.12.99-1", depends: "linux-image-" + cloud + " (= 6.12.9-1)", deb: []byte("a package that only depends on another")},
		whole("6.1.99-cloud-amd64", "6.1.99-1"),
	})
	o := a.options()
	var seen []Step
	o.Progress = func(p Progress) {
		g.Expect(p.Image).To(Equal("debian:6.12"))
		if len(seen) == 0 || seen[len(seen)-1] != p.Step {
			seen = append(seen, p.Step)
		}
	}
	image, err := Pull(t.Context(), "debian:6.12", o)
	g.Expect(err).NotTo(HaveOccurred())

	g.Expect(image.Release).To(Equal(cloud), "the newest of the cloud flavour, not the newest of all")
	g.Expect(image.PVH).To(BeTrue())
	g.Expect(image.HZ).To(Equal(250))
	g.Expect(os.ReadFile(image.Kernel)).To(Equal(fakeVmlinux(cloud, true)))
	g.Expect(os.ReadFile(image.BzImage)).To(HaveSuffix("what follows the payload"))
	g.Expect(image.Origin.Suite).To(Equal("trixie-security"))
	g.Expect(image.Origin.Version).To(Equal("6.12.9-1"))
	g.Expect(image.Origin.SHA256).To(Equal(sum(whole(cloud, "6.12.9-1").deb)))
	g.Expect(image.Origin.SignedBy).To(ContainSubstring("Archive"))
	g.Expect(seen).To(Equal([]Step{StepIndex, StepDownload, StepUnpack}))

	var names []string
	for _, m := range image.Modules {
		names = append(names, m.Name)
		g.Expect(os.ReadFile(m.Path)).To(HavePrefix("\x7fELF"), "unpacked")
	}
	g.Expect(names).To(Equal([]string{"virtio_rng", "llc", "stp", "bridge", "crc32c_generic", "libcrc32c", "nf_tables"}))
	g.Expect(image.BuiltIn).To(Equal([]string{"af_packet"}))
	g.Expect(image.Absent).To(ContainElement("veth"))
	g.Expect(image.Load("nf_tables", "af_packet")).To(HaveExactElements(named("crc32c_generic"), named("libcrc32c"), named("nf_tables")))
	g.Expect(filepath.Join(image.TookFrom, "tree")).NotTo(BeAnExistingFile())

	// From now on it needs no network, and says where it comes from all the same.
	a.server.Close()
	again, err := Pull(t.Context(), "debian:6.12", o)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(Equal(image))
	g.Expect(Cached(o)).To(Equal([]Image{image}))
	o.Refresh = true
	_, err = Pull(t.Context(), "debian:6.12", o)
	g.Expect(err).To(MatchError(ErrOffline))
}

func named(name string) types.GomegaMatcher { return HaveField("Name", name) }

func TestSplitPackages(t *testing.T) {
	const abi = "7.3.4+deb13-cloud-amd64"
	tree := kernelTree(abi)
	lib := "usr/lib/modules/" + abi + "/"
	binary := map[string][]byte{lib + "vmlinuz": tree["boot/vmlinuz-"+abi]}
	base := map[string][]byte{lib + "config": tree["boot/config-"+abi], lib + "modules.builtin": tree[lib+"modules.builtin"]}
	modules := map[string][]byte{}
	for name, data := range tree {
		if strings.HasPrefix(name, lib+"kernel/") {
			modules[name] = data
		}
	}
	const version = "7.3.4-1~bpo13+1"
	image := fakePackage{name: "linux-image-" + abi, version: version, deb: fakeDeb(".gz", packGzip, nil),
		depends: "dracut | linux-initramfs-tool, linux-base-" + abi + " (= " + version + "), linux-binary-" + abi + " (= " + version + "), linux-modules-" + abi + " (= " + version + ")"}
	part := func(kind, ending string, pack func([]byte) []byte, files map[string][]byte) fakePackage {
		return fakePackage{name: "linux-" + kind + "-" + abi, version: version, deb: fakeDeb(ending, pack, files)}
	}
	binaryDeb, baseDeb, modulesDeb := part("binary", ".xz", packXZ, binary), part("base", "", func(b []byte) []byte { return b }, base), part("modules", ".zst", packZstd, modules)

	t.Run("are put together", func(t *testing.T) {
		g := NewWithT(t)
		a := newArchive(t)
		a.suite("debian", "trixie-backports", time.Time{}, []fakePackage{binaryDeb, baseDeb, modulesDeb, image})
		got, err := Pull(t.Context(), "debian:7.3", a.options())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Release).To(Equal(abi))
		g.Expect(got.HZ).To(Equal(250))
		g.Expect(got.Modules).To(HaveLen(7))
		g.Expect(got.Origin.Packages).To(HaveExactElements(named("linux-image-"+abi), named("linux-base-"+abi), named("linux-binary-"+abi), named("linux-modules-"+abi)))
	})
	t.Run("do without the configuration", func(t *testing.T) {
		g := NewWithT(t)
		a := newArchive(t)
		a.suite("debian", "trixie-backports", time.Time{}, []fakePackage{binaryDeb, modulesDeb, image})
		got, err := Pull(t.Context(), "debian:7.3", a.options())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.HZ).To(BeZero())
		g.Expect(got.Config).To(BeEmpty())
	})
	t.Run("do without the signed package", func(t *testing.T) {
		g := NewWithT(t)
		a := newArchive(t)
		unsigned := part("binary-unsigned", ".xz", packXZ, binary)
		a.suite("debian", "trixie-backports", time.Time{}, []fakePackage{unsigned, modulesDeb})
		got, err := Pull(t.Context(), "debian:7.3", a.options())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Origin.Package).To(Equal("linux-binary-unsigned-" + abi))
		g.Expect(got.Modules).To(HaveLen(7))
	})
	t.Run("do not do without modules", func(t *testing.T) {
		a := newArchive(t)
		a.suite("debian", "trixie-backports", time.Time{}, []fakePackage{binaryDeb, baseDeb, image})
		failing(t, "debian:7.3", a.options(), ErrNotOffered, "needs linux-modules-"+abi, "another series")
	})
	t.Run("give way to an older version that is whole", func(t *testing.T) {
		g := NewWithT(t)
		a := newArchive(t)
		a.suite("debian", "trixie-backports", time.Time{}, []fakePackage{binaryDeb, baseDeb, image, whole("7.3.1+deb13-cloud-amd64", "7.3.1-1")})
		got, err := Pull(t.Context(), "debian:7.3", a.options())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Origin.Version).To(Equal("7.3.1-1"))
	})
}

func TestChainOfTrust(t *testing.T) {
	packages := []fakePackage{whole(cloud, "6.12.9-1")}
	fresh := func(t *testing.T) *fakeArchive {
		a := newArchive(t)
		a.suite("debian-security", "trixie-security", time.Time{}, packages)
		return a
	}
	change := func(a *fakeArchive, part string, how func([]byte) []byte) {
		for path, data := range a.files {
			if strings.Contains(path, part) {
				a.files[path] = how(bytes.Clone(data))
			}
		}
	}
	flip := func(data []byte) []byte { data[len(data)/2] ^= 1; return data }

	t.Run("a changed package", func(t *testing.T) {
		a := fresh(t)
		change(a, ".deb", flip)
		failing(t, "debian:6.12", a.options(), ErrHash, "not what the archive signed", "another mirror")
	})
	t.Run("a longer package", func(t *testing.T) {
		a := fresh(t)
		change(a, ".deb", func(d []byte) []byte { return append(d, 0) })
		failing(t, "debian:6.12", a.options(), ErrHash, "longer than")
	})
	t.Run("a changed index", func(t *testing.T) {
		a := fresh(t)
		change(a, "by-hash", flip)
		failing(t, "debian:6.12", a.options(), ErrHash, "not what the archive signed")
		NewWithT(t).Expect(a.asked(".deb")).To(BeZero())
	})
	t.Run("a changed release", func(t *testing.T) {
		a := fresh(t)
		change(a, "InRelease", func(d []byte) []byte { return bytes.Replace(d, []byte("Origin: Debian"), []byte("Origin: Debiam"), 1) })
		failing(t, "debian:6.12", a.options(), ErrSignature, "signature is not good", "nothing of it was used")
		NewWithT(t).Expect(a.asked("Packages") + a.asked("by-hash") + a.asked(".deb")).To(BeZero())
	})
	t.Run("hashes before the signed text", func(t *testing.T) {
		g := NewWithT(t)
		a := fresh(t)
		change(a, "InRelease", func(d []byte) []byte {
			return append([]byte("SHA256:\n "+strings.Repeat("1", 64)+" 1 main/binary-amd64/Packages.xz\n"), d...)
		})
		_, err := Pull(t.Context(), "debian:6.12", a.options())
		g.Expect(err).NotTo(HaveOccurred(), "what is not signed is not looked at")
	})
	t.Run("no signature at all", func(t *testing.T) {
		a := fresh(t)
		change(a, "InRelease", func([]byte) []byte { return []byte("<html>Please log in</html>") })
		failing(t, "debian:6.12", a.options(), ErrSignature, "not a signed file")
	})
	t.Run("a key that is not in the keyring", func(t *testing.T) {
		a := newArchive(t)
		a.suite("debian-security", "trixie-security", time.Time{}, packages, newKey(t, "Stranger"))
		failing(t, "debian:6.12", a.options(), ErrSignature, "no such key", "debian-archive-keyring", "--keyring")
	})
	t.Run("several signatures, one of them by a known key", func(t *testing.T) {
		g := NewWithT(t)
		a := newArchive(t)
		a.suite("debian-security", "trixie-security", time.Time{}, packages, newKey(t, "Stranger"), a.key)
		_, err := Pull(t.Context(), "debian:6.12", a.options())
		g.Expect(err).NotTo(HaveOccurred())
	})
	t.Run("an expired suite", func(t *testing.T) {
		a := newArchive(t)
		a.suite("debian-security", "trixie-security", time.Now().Add(-48*time.Hour), packages)
		failing(t, "debian:6.12", a.options(), ErrExpired, "was valid until", "clock")
	})
	t.Run("an expired suite and a later one that is not", func(t *testing.T) {
		g := NewWithT(t)
		a := newArchive(t)
		a.suite("debian-security", "trixie-security", time.Now().Add(-48*time.Hour), packages)
		a.suite("debian", "trixie", time.Time{}, packages)
		image, err := Pull(t.Context(), "debian:6.12", a.options())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(image.Origin.Suite).To(Equal("trixie"))
	})
	t.Run("another suite under this one's name", func(t *testing.T) {
		a := newArchive(t)
		a.suite("debian", "sid", time.Time{}, packages)
		a.files["debian-security/dists/trixie-security/InRelease"] = a.files["debian/dists/sid/InRelease"]
		failing(t, "debian:6.12", a.options(), ErrSignature, "for the suite sid")
	})
	t.Run("a download that breaks off", func(t *testing.T) {
		a := fresh(t)
		for path := range a.files {
			if strings.HasSuffix(path, ".deb") {
				a.cut[path] = 2
			}
		}
		failing(t, "debian:6.12", a.options(), ErrOffline, "unexpected EOF")
		_, err := Pull(t.Context(), "debian:6.12", a.options())
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
	})
	t.Run("a download that breaks off once", func(t *testing.T) {
		a := fresh(t)
		for path := range a.files {
			a.cut[path] = 1
		}
		delete(a.cut, "debian-security/dists/trixie-security/InRelease")
		_, err := Pull(t.Context(), "debian:6.12", a.options())
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
	})
	t.Run("no archive at the address", func(t *testing.T) {
		a := newArchive(t)
		a.server.Close()
		failing(t, "debian:6.12", a.options(), ErrOffline, "not cached", "--mirror")
	})
	t.Run("a mirror without the suites", func(t *testing.T) {
		a := newArchive(t)
		failing(t, "debian:7.1", a.options(), ErrNotOffered, "has no suite trixie-backports", "left the archive")
	})
}

func TestConfiguration(t *testing.T) {
	write := func(t *testing.T, path, text string) {
		t.Helper()
		g := NewWithT(t)
		g.Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
		g.Expect(os.WriteFile(path, []byte(text), 0o644)).To(Succeed())
	}
	t.Run("no mirror", func(t *testing.T) {
		a := newArchive(t)
		o := a.options()
		o.Mirror = ""
		write(t, filepath.Join(o.root, "etc/apt/sources.list"), "deb http://127.0.0.1:1/other noble main\n")
		failing(t, "debian:6.12", o, ErrNoMirror, "--mirror URL", mirrorVariable)
	})
	t.Run("no keyring", func(t *testing.T) {
		a := newArchive(t)
		o := a.options()
		o.Keyring = ""
		failing(t, "debian:6.12", o, ErrNoKeyring, "apt-get install debian-archive-keyring", "--keyring")
	})
	t.Run("the mirror from the environment", func(t *testing.T) {
		a := newArchive(t)
		a.suite("debian", "trixie", time.Time{}, []fakePackage{whole(cloud, "6.12.9-1")})
		o := a.options()
		o.Mirror = ""
		t.Setenv(mirrorVariable, a.server.URL+"/debian/")
		_, err := Pull(t.Context(), "debian:6.12", o)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
	})
	t.Run("apt's own mirror and keyring", func(t *testing.T) {
		for name, lines := range map[string]string{
			"etc/apt/sources.list":                  "# deb nowhere\ndeb [arch=amd64 signed-by=/keys.gpg] URL/elsewhere/ trixie-security main contrib # why\n",
			"etc/apt/sources.list.d/debian.sources": "Types: deb deb-src\nURIs: URL/none\n URL/elsewhere\nSuites: trixie-security\nComponents: main\nSigned-By: /keys.gpg\n\nTypes: deb\nEnabled: no\nURIs: URL/off\nSuites: trixie-security\nComponents: main\n",
			"etc/apt/sources.list.d/a.list":         "deb [signed-by=/keys.gpg] mirror+file:/etc/apt/mirrors trixie-security main\n",
		} {
			g := NewWithT(t)
			a := newArchive(t)
			a.suite("elsewhere", "trixie-security", time.Time{}, []fakePackage{whole(cloud, "6.12.9-1")})
			o := a.options()
			o.Mirror, o.Keyring = "", ""
			write(t, filepath.Join(o.root, name), strings.ReplaceAll(lines, "URL", a.server.URL))
			write(t, filepath.Join(o.root, "etc/apt/mirrors"), a.server.URL+"/elsewhere priority:1\n")
			ring, err := os.ReadFile(a.keyring)
			g.Expect(err).NotTo(HaveOccurred())
			write(t, filepath.Join(o.root, "keys.gpg"), string(ring))
			_, err = Pull(t.Context(), "debian:6.12", o)
			g.Expect(err).NotTo(HaveOccurred(), name)
			g.Expect(a.asked("off/")).To(BeZero())
		}
	})
	t.Run("a mirror that was named is the only one asked", func(t *testing.T) {
		a := newArchive(t)
		o := a.options()
		o.Mirror = "http://127.0.0.1:1/debian"
		write(t, filepath.Join(o.root, "etc/apt/sources.list"), "deb "+a.server.URL+"/debian trixie-security main\n")
		failing(t, "debian:6.12", o, ErrOffline)
		NewWithT(t).Expect(a.asked("")).To(BeZero())
	})
	t.Run("a mirror in a folder", func(t *testing.T) {
		a := newArchive(t)
		a.suite("debian", "trixie", time.Time{}, []fakePackage{whole(cloud, "6.12.9-1")})
		disk := t.TempDir()
		for path, data := range a.files {
			write(t, filepath.Join(disk, path), string(data))
		}
		o := a.options()
		o.Mirror = "file://" + disk + "/debian"
		_, err := Pull(t.Context(), "debian:6.12", o)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
	})
	t.Run("apt's proxy", func(t *testing.T) {
		g := NewWithT(t)
		root := t.TempDir()
		write(t, filepath.Join(root, "etc/apt/apt.conf.d/50other"), "APT { Install-Recommends \"0\"; };\n// Acquire::http::Proxy \"http://comment:1\";\nAcquire { http { Proxy \"http://first:3128\"; }; };\n")
		g.Expect(aptProxy(root, "http")).To(Equal("http://first:3128"))
		write(t, filepath.Join(root, "etc/apt/apt.conf"), "Acquire::HTTP::Proxy \"http://second:3128\"; # the last one counts\nAcquire::https::Proxy \"DIRECT\";")
		g.Expect(aptProxy(root, "http")).To(Equal("http://second:3128"))
		g.Expect(aptProxy(root, "https")).To(Equal("DIRECT"))
	})
	t.Run("a full disk", func(t *testing.T) {
		p := &puller{name: "k", cache: "/dev"}
		err := p.write("/dev", "full", []byte("x")) // the kernel's own full disk: full(4)
		NewWithT(t).Expect(err).To(MatchError(ErrNoSpace))
		NewWithT(t).Expect(err.Error()).To(ContainSubstring("--cache"))
	})
}

func TestCache(t *testing.T) {
	t.Run("damage is seen and mended", func(t *testing.T) {
		g := NewWithT(t)
		a := newArchive(t)
		a.suite("debian", "trixie", time.Time{}, []fakePackage{whole(cloud, "6.12.9-1")})
		o := a.options()
		image, err := Pull(t.Context(), "debian:6.12", o)
		g.Expect(err).NotTo(HaveOccurred())
		for _, path := range []string{image.Kernel, image.Modules[0].Path, filepath.Join(image.TookFrom, manifestFile)} {
			before := a.asked(".deb")
			g.Expect(os.WriteFile(path, []byte("rotten"), 0o644)).To(Succeed())
			again, err := Pull(t.Context(), "debian:6.12", o)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(again).To(Equal(image))
			g.Expect(a.asked(".deb")).To(Equal(before + 1))
		}
		g.Expect(os.Remove(image.Kernel)).To(Succeed())
		a.server.Close()
		_, err = Pull(t.Context(), "debian:6.12", o)
		g.Expect(err).To(MatchError(ErrOffline))
		g.Expect(err.Error()).To(ContainSubstring("vmlinux is missing"))
	})
	t.Run("two at once make it once", func(t *testing.T) {
		g := NewWithT(t)
		a := newArchive(t)
		a.suite("debian", "trixie", time.Time{}, []fakePackage{whole(cloud, "6.12.9-1")})
		o := a.options()
		var all sync.WaitGroup
		images, errs := make([]Image, 4), make([]error, 4)
		for i := range images {
			all.Go(func() { images[i], errs[i] = Pull(t.Context(), "debian:6.12", o) })
		}
		all.Wait()
		for i := range images {
			g.Expect(errs[i]).NotTo(HaveOccurred())
			g.Expect(images[i]).To(Equal(images[0]))
		}
		g.Expect(a.asked(".deb")).To(Equal(1))
	})
	t.Run("waiting for another ends with the context", func(t *testing.T) {
		g := NewWithT(t)
		p := &puller{name: "k", cache: t.TempDir()}
		unlock, err := p.lock(t.Context(), "k")
		g.Expect(err).NotTo(HaveOccurred())
		ctx, cancel := context.WithCancel(t.Context())
		p.options.Progress = func(p Progress) {
			g.Expect(p.Step).To(Equal(StepWait))
			cancel()
		}
		_, err = p.lock(ctx, "k")
		g.Expect(err).To(MatchError(context.Canceled))
		unlock()
	})
	t.Run("what a killed process left is cleared", func(t *testing.T) {
		g := NewWithT(t)
		a := newArchive(t)
		a.suite("debian", "trixie", time.Time{}, []fakePackage{whole(cloud, "6.12.9-1")})
		o := a.options()
		left := filepath.Join(o.Cache, ".debian-6.12.part", "tree")
		g.Expect(os.MkdirAll(left, 0o755)).To(Succeed())
		_, err := Pull(t.Context(), "debian:6.12", o)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(filepath.Dir(left)).NotTo(BeADirectory())
	})
}
