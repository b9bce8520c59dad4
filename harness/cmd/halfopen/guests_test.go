package main

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/halfopen/halfopen/harness/image"
)

// The oldest and the newest kernel of the table.
const oldest, newest = "debian:5.10", "debian:7.3"

// deterministic are claims whose specs together use all that a guest has: long waits, several
// processes, crashes, the firewall, forged segments, counters.
var deterministic = []string{
	"process-crash/four-way-close", "process-crash/forked-child-delays-fin", "host-crash/four-tuple-new-connection",
	"host-crash/data-abort-etimedout", "cable/own-cable-ehostunreach", "keepalive/exhausted-rst", "retransmission/abort-retries2-8",
}

// bootable fills the cache with the kernels, or skips the test where a machine has none to boot.
func bootable(t testing.TB, kernels ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("boots kernels")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip(err)
	}
	for _, name := range kernels {
		_, err := image.Pull(t.Context(), name, image.Options{})
		switch {
		case image.Unavailable(err):
			t.Skip(err)
		case err != nil:
			t.Fatal(err)
		}
	}
}

// Every claim holds in a guest, unscaled, and two runs of it leave the same bytes.
func TestTwoRunsOfAGuestLeaveTheSameBytes(t *testing.T) {
	g := NewWithT(t)
	bootable(t, oldest, newest)
	halfopen := command(t)
	var runs []map[string][]byte
	for len(runs) < 2 {
		out := filepath.Join(t.TempDir(), "out")
		args := slices.Concat([]string{"matrix", "--kernels", oldest + "," + newest, "--out", out}, deterministic)
		output, err := exec.Command(halfopen, args...).CombinedOutput()
		g.Expect(err).NotTo(HaveOccurred(), "%s", output)
		if startedAgain(t, out) {
			t.Log("a guest died before it was up, and got another seed: this run is none of the two")
			continue
		}
		// How long it took on the wall is the only thing that may differ.
		for _, file := range []string{"matrix.json", "matrix.html", "matrix.txt"} {
			g.Expect(os.Remove(filepath.Join(out, file))).To(Succeed())
		}
		runs = append(runs, contents(t, out))
	}
	g.Expect(len(runs[0])).To(BeNumerically(">", 2*2*len(deterministic)), "a capture per spec, kernel and family, and the results")
	for name, first := range runs[0] {
		g.Expect(bytes.Equal(runs[1][name], first)).To(BeTrue(), "%s differs", name)
	}
	g.Expect(runs[1]).To(HaveLen(len(runs[0])))
}

// contents are the files below a folder.
func contents(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path)
		files[name] = content
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// startedAgain tells whether a guest of a matrix was started more than once, and so has another seed
// than the command was given.
func startedAgain(t *testing.T, out string) bool {
	t.Helper()
	again := false
	for _, folder := range foldersOf([]string{oldest, newest}) {
		run, err := readResults(filepath.Join(out, folder))
		if err != nil {
			t.Fatal(err)
		}
		again = again || run.Attempts > 1
	}
	return again
}
