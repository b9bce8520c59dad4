package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// The archive of these tests is a real one, only small: packages in the archive's own formats,
// hashed, indexed and signed with a key made on the spot, behind a server on the loopback address.

func must[T any](t testing.TB) func(value T, err error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// fakeELF is an ELF file with the given sections, of which .notes becomes a PT_NOTE segment.
func fakeELF(kind elf.Type, sections map[string][]byte) []byte {
	names := append(slices.Sorted(maps.Keys(sections)), ".shstrtab")
	var strtab bytes.Buffer
	strtab.WriteByte(0)
	var body bytes.Buffer
	const header, program, start = 64, 56, 64 + 56
	headers := []elf.Section64{{}}
	var note elf.Prog64
	for _, name := range names {
		at := uint32(strtab.Len())
		strtab.WriteString(name + "\x00")
		data := sections[name]
		if name == ".shstrtab" {
			data = strtab.Bytes()
		}
		s := elf.Section64{Name: at, Type: uint32(elf.SHT_PROGBITS), Off: uint64(start + body.Len()), Size: uint64(len(data)), Addralign: 1}
		if name == ".shstrtab" {
			s.Type = uint32(elf.SHT_STRTAB)
		}
		if name == ".notes" {
			note = elf.Prog64{Type: uint32(elf.PT_NOTE), Off: s.Off, Filesz: s.Size, Memsz: s.Size, Align: 4}
		}
		headers = append(headers, s)
		body.Write(data)
	}
	var out bytes.Buffer
	h := elf.Header64{Type: uint16(kind), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: header, Phentsize: program, Phnum: 1,
		Ehsize: header, Shoff: uint64(start + body.Len()), Shentsize: 64, Shnum: uint16(len(headers)), Shstrndx: uint16(len(headers) - 1)}
	copy(h.Ident[:], elf.ELFMAG+"\x02\x01\x01")
	_ = binary.Write(&out, binary.LittleEndian, h)
	_ = binary.Write(&out, binary.LittleEndian, note)
	out.Write(body.Bytes())
	_ = binary.Write(&out, binary.LittleEndian, headers)
	return out.Bytes()
}

// fakeVmlinux is what describeKernel looks at: the banner, the note, and code enough to pack.
func fakeVmlinux(release string, pvh bool) []byte {
	note := append([]byte{4, 0, 0, 0, 8, 0, 0, 0, 18, 0, 0, 0}, "Xen\x00\x60\x01\x8c\x03\x00\x00\x00\x00"...)
	if !pvh {
		note[8] = 6
	}
	linuxNote := append([]byte{6, 0, 0, 0, 4, 0, 0, 0, 1, 1, 0, 0}, "Linux\x00\x00\x00\x00\x00\x00\x00"...)
	return fakeELF(elf.ET_EXEC, map[string][]byte{
		".notes":  append(linuxNote, note...),
		".rodata": []byte("%s version %s\x00Linux version " + release + " (builder@test) #1 SMP\n\x00"),
		".text":   bytes.Repeat([]byte("\xe8\x00\x01\x00\x00\x90some code "), 4096),
	})
}

// fakeBzImage wraps a packed kernel as the kernel's build does.
func fakeBzImage(payload []byte) []byte {
	image := make([]byte, (3+1)*512+716)
	image[setupSectsAt] = 3
	copy(image[headerMagicAt:], "HdrS")
	binary.LittleEndian.PutUint16(image[versionAt:], 0x020f)
	binary.LittleEndian.PutUint32(image[payloadOffsetAt:], 716)
	binary.LittleEndian.PutUint32(image[payloadLengthAt:], uint32(len(payload)))
	return append(append(image, payload...), "what follows the payload"...)
}

func sized(packed []byte, plain int) []byte {
	return binary.LittleEndian.AppendUint32(packed, uint32(plain))
}

func packZstd(data []byte) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll(data, nil)
}

func packXZ(data []byte) []byte {
	var b bytes.Buffer
	w, _ := xz.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

func packGzip(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

func fakeModule(release string, info ...string) []byte {
	info = append(info, "vermagic="+release+" SMP mod_unload")
	return fakeELF(elf.ET_REL, map[string][]byte{".modinfo": []byte(strings.Join(info, "\x00") + "\x00")})
}

// fakeDeb is a .deb file with the given files; pack names and packs the data member.
func fakeDeb(ending string, pack func([]byte) []byte, files map[string][]byte) []byte {
	var data bytes.Buffer
	archive := tar.NewWriter(&data)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		_ = archive.WriteHeader(&tar.Header{Name: "./" + name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg})
		_, _ = archive.Write(files[name])
	}
	_ = archive.Close()
	var deb bytes.Buffer
	deb.WriteString("!<arch>\n")
	for _, m := range []struct {
		name string
		data []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar.gz", packGzip([]byte("odd"))}, {"data.tar" + ending, pack(data.Bytes())}} {
		fmt.Fprintf(&deb, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", m.name, 0, 0, 0, "100644", len(m.data))
		deb.Write(m.data)
		if len(m.data)%2 == 1 {
			deb.WriteByte('\n')
		}
	}
	return deb.Bytes()
}

// kernelTree is the content of a package with a whole kernel in it.
func kernelTree(release string) map[string][]byte {
	kernel := fakeVmlinux(release, true)
	lib := "usr/lib/modules/" + release + "/"
	return map[string][]byte{
		"boot/vmlinuz-" + release:                           fakeBzImage(sized(packZstd(kernel), len(kernel))),
		"boot/config-" + release:                            []byte("CONFIG_PVH=y\nCONFIG_HZ=250\n"),
		lib + "modules.builtin":                             []byte("kernel/net/packet/af_packet.ko\n"),
		lib + "kernel/net/bridge/bridge.ko.xz":              packXZ(fakeModule(release, "depends=stp,llc")),
		lib + "kernel/net/802/stp.ko.zst":                   packZstd(fakeModule(release, "depends=llc")),
		lib + "kernel/net/llc/llc.ko.gz":                    packGzip(fakeModule(release, "depends=")),
		lib + "kernel/net/netfilter/nf_tables.ko":           fakeModule(release, "depends=libcrc32c"),
		lib + "kernel/lib/libcrc32c.ko":                     fakeModule(release, "depends=", "softdep=pre: crc32c"),
		lib + "kernel/crypto/crc32c_generic.ko":             fakeModule(release, "depends=", "alias=crc32c"),
		lib + "kernel/arch/x86/crypto/crc32c-intel.ko":      fakeModule(release, "depends=", "alias=crc32c"),
		lib + "kernel/drivers/char/hw_random/virtio-rng.ko": fakeModule(release, "depends="),
		lib + "kernel/drivers/gpu/unneeded.ko":              []byte("not looked at"),
		"usr/share/doc/linux/README":                        []byte("not taken"),
	}
}

type fakePackage struct {
	name, version, depends string
	deb                    []byte
}

// fakeArchive is the signed archive; files is by path.
type fakeArchive struct {
	t       testing.TB
	key     *openpgp.Entity
	keyring string
	server  *httptest.Server

	mu       sync.Mutex
	files    map[string][]byte
	requests map[string]int
	cut      map[string]int // path: how many more answers break off halfway
}

func newKey(t testing.TB, name string) *openpgp.Entity {
	return must[*openpgp.Entity](t)(openpgp.NewEntity(name, "", name+"@test", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA}))
}

func newArchive(t testing.TB) *fakeArchive {
	t.Setenv(mirrorVariable, "")
	a := &fakeArchive{t: t, key: newKey(t, "Archive"), files: map[string][]byte{}, requests: map[string]int{}, cut: map[string]int{}}
	a.keyring = writeKeyring(t, a.key)
	a.server = httptest.NewServer(a)
	t.Cleanup(a.server.Close)
	return a
}

func writeKeyring(t testing.TB, keys ...*openpgp.Entity) string {
	var ring bytes.Buffer
	for _, key := range keys {
		if err := key.Serialize(&ring); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "keyring.gpg")
	if err := os.WriteFile(path, ring.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func (a *fakeArchive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	path := strings.TrimPrefix(r.URL.Path, "/")
	data, ok := a.files[path]
	a.requests[path]++
	cut := a.cut[path] > 0
	if cut {
		a.cut[path]--
	}
	a.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	if cut {
		data = data[:len(data)/2]
	}
	_, _ = io.Copy(w, bytes.NewReader(data))
}

// asked is how often paths with this in them were asked for.
func (a *fakeArchive) asked(part string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for path, times := range a.requests {
		if strings.Contains(path, part) {
			n += times
		}
	}
	return n
}

// suite publishes a suite under folder ("debian"), valid for a week unless until says otherwise, and
// signs it with the archive's key, or with keys.
func (a *fakeArchive) suite(folder, suite string, until time.Time, packages []fakePackage, keys ...*openpgp.Entity) {
	if keys == nil {
		keys = []*openpgp.Entity{a.key}
	}
	if until.IsZero() {
		until = time.Now().Add(7 * 24 * time.Hour)
	}
	var index strings.Builder
	for _, p := range packages {
		file := "pool/main/l/linux/" + p.name + "_" + p.version + "_amd64.deb"
		fmt.Fprintf(&index, "Package: %s\nVersion: %s\nArchitecture: amd64\n", p.name, p.version)
		if p.depends != "" {
			fmt.Fprintf(&index, "Depends: %s\n", p.depends)
		}
		fmt.Fprintf(&index, "Description: Linux\n with a folded line\nFilename: %s\nSize: %d\nSHA256: %s\n\n", file, len(p.deb), sum(p.deb))
		a.files[folder+"/"+file] = p.deb
	}
	fmt.Fprintf(&index, "Package: unrelated\nVersion: 1\nFilename: pool/unrelated.deb\n\n")

	packed := packXZ([]byte(index.String()))
	base := folder + "/dists/" + suite + "/"
	a.files[base+"main/binary-amd64/by-hash/SHA256/"+sum(packed)] = packed
	var plain strings.Builder
	fmt.Fprintf(&plain, "Origin: Debian\nSuite: %s\nCodename: %s\nDate: %s\nValid-Until: %s\nAcquire-By-Hash: yes\nComponents: main\nMD5Sum:\n %s %d main/binary-amd64/Packages.xz\nSHA256:\n %s %d main/binary-amd64/Packages.xz\n",
		suite, suite, time.Now().UTC().Format(time.RFC1123), until.UTC().Format(time.RFC1123), strings.Repeat("0", 32), len(packed), sum(packed), len(packed))
	a.files[base+"InRelease"] = sign(a.t, plain.String(), keys...)
}

func sign(t testing.TB, text string, keys ...*openpgp.Entity) []byte {
	var out bytes.Buffer
	var private []*packet.PrivateKey
	for _, key := range keys {
		private = append(private, key.PrivateKey)
	}
	w := must[io.WriteCloser](t)(clearsign.EncodeMulti(&out, private, nil))
	_, _ = io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// options point at the archive, with a cache of the test's own.
func (a *fakeArchive) options() Options {
	return Options{Mirror: a.server.URL + "/debian", Keyring: a.keyring, Cache: filepath.Join(a.t.TempDir(), "images"), root: a.t.TempDir()}
}

// whole is the package of a whole kernel of the given series.
func whole(abi, version string) fakePackage {
	return fakePackage{name: "linux-image-" + abi, version: version, depends: "kmod, linux-base (>= 4.3~), initramfs-tools | linux-initramfs-tool", deb: fakeDeb(".tar.xz"[4:], packXZ, kernelTree(abi))}
}
