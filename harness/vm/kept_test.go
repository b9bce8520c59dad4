package vm

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// stopped is a machine with 4 MiB of memory, most of it zeros.
func stopped(t *testing.T) (*snapshot, int64) {
	t.Helper()
	memory, err := memoryFile("memory", bytes.Repeat([]byte("boot"), 3000), 4<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { memory.Close() })
	if _, err := memory.WriteAt([]byte("high"), 3<<20-2); err != nil { // across two pages
		t.Fatal(err)
	}
	return &snapshot{memory: memory, devices: []byte("the devices")}, 4 << 20
}

func TestASnapshotIsKeptWithoutItsZeros(t *testing.T) {
	g := NewWithT(t)
	made, size := stopped(t)
	path := filepath.Join(t.TempDir(), "a"+snapshotExt)
	g.Expect(made.keep(path, size)).To(Succeed())
	kept, err := openSnapshot(path, size)
	g.Expect(err).NotTo(HaveOccurred())
	defer kept.memory.Close()
	g.Expect(kept.devices).To(Equal(made.devices))
	var before, after [4 << 20]byte
	_, err = made.memory.ReadAt(before[:], 0)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = kept.memory.ReadAt(after[:], 0)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(after == before).To(BeTrue())
	var runs []string
	g.Expect(eachRun(kept.memory, size, func(at int64, pages []byte) error {
		runs = append(runs, fmt.Sprintf("%d+%d", at/pageSize, len(pages)/pageSize))
		return nil
	})).To(Succeed())
	g.Expect(runs).To(Equal([]string{"0+3", "767+2"}))
}

func TestASnapshotThatIsNotWholeIsNotUsed(t *testing.T) {
	g := NewWithT(t)
	made, size := stopped(t)
	path := filepath.Join(t.TempDir(), "a"+snapshotExt)
	_, err := openSnapshot(path, size)
	g.Expect(err).To(MatchError(fs.ErrNotExist))
	for name, damage := range map[string]func(*os.File) error{
		"cut off":         func(f *os.File) error { return f.Truncate(size + 5) },
		"empty":           func(f *os.File) error { return f.Truncate(0) },
		"a bit of memory": func(f *os.File) error { _, err := f.WriteAt([]byte{'B'}, 0); return err },
		"a page too many": func(f *os.File) error { _, err := f.WriteAt([]byte{1}, 2<<20); return err },
		"a device":        func(f *os.File) error { _, err := f.WriteAt([]byte{'T'}, size); return err },
		"another format":  func(f *os.File) error { _, err := f.WriteAt([]byte{'2'}, size+int64(len(made.devices))+15); return err },
	} {
		g.Expect(made.keep(path, size)).To(Succeed())
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(damage(file)).To(Succeed())
		g.Expect(file.Close()).To(Succeed())
		_, err = openSnapshot(path, size)
		g.Expect(err).To(HaveOccurred(), name)
	}
	g.Expect(made.keep(path, size)).To(Succeed())
	_, err = openSnapshot(path, 2*size)
	g.Expect(err).To(HaveOccurred(), "a machine with more memory")
}

func TestOnlyTheSnapshotsThatWereUsedLastAreKept(t *testing.T) {
	g := NewWithT(t)
	folder := t.TempDir()
	put := func(name string, age time.Duration) {
		path := filepath.Join(folder, name)
		g.Expect(os.WriteFile(path, nil, 0o600)).To(Succeed())
		then := time.Now().Add(-age)
		g.Expect(os.Chtimes(path, then, then)).To(Succeed())
	}
	for i := range mostSnapshots + 2 {
		put(fmt.Sprintf("%02d%s", i, snapshotExt), time.Duration(i)*time.Minute)
	}
	put(partPrefix+"new", time.Minute)
	put(partPrefix+"old", 2*abandoned)
	put("new"+lockExt, time.Minute)
	put("old"+lockExt, 2*abandoned)
	put("stranger", 1000*time.Hour)
	g.Expect(prune(folder)).To(Succeed())
	names := func(pattern string) (names []string) {
		paths, err := filepath.Glob(filepath.Join(folder, pattern))
		g.Expect(err).NotTo(HaveOccurred())
		for _, path := range paths {
			names = append(names, filepath.Base(path))
		}
		return names
	}
	g.Expect(names("*" + snapshotExt)).To(And(HaveLen(mostSnapshots), ContainElement("00"+snapshotExt), ContainElement(fmt.Sprintf("%02d%s", mostSnapshots-1, snapshotExt))))
	g.Expect(names("*" + lockExt)).To(Equal([]string{"new" + lockExt}))
	g.Expect(names(partPrefix + "*")).To(Equal([]string{partPrefix + "new"}))
	g.Expect(names("stranger")).To(HaveLen(1), "it is not ours")
	g.Expect(prune(filepath.Join(folder, "nowhere"))).To(MatchError(fs.ErrNotExist))
}
