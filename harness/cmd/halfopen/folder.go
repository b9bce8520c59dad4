package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/halfopen/halfopen/harness/page"
	"github.com/halfopen/halfopen/harness/report"
)

// summaries are the files a run leaves beside its packets.
var summaries = []string{report.ResultsFile, report.SpecsFile, "junit.xml", "summary.md", page.File}

// occupy makes a folder ready for one run: nobody else writes to it until release is called, and
// what an earlier run left there is gone. Nothing else in it is touched.
func occupy(folder string) (release func(), err error) {
	lock, err := os.Open(folder)
	if err != nil {
		return nil, fmt.Errorf("cannot use the folder %s: %w", folder, err)
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	switch err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil, fmt.Errorf("another run is writing to the folder %s: wait for it, or choose another with --out", folder)
	case err != nil:
		return nil, fmt.Errorf("cannot lock the folder %s: %w", folder, err)
	}
	if err := removeEarlierRun(folder); err != nil {
		return nil, err
	}
	return func() { lock.Close() }, nil
}

// removeEarlierRun removes a run's files, by what its results.json says they are.
func removeEarlierRun(folder string) error {
	path := filepath.Join(folder, "results.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read %s, which an earlier run left: %w", path, err)
	}
	var earlier report.Run
	if err := json.Unmarshal(data, &earlier); err != nil || earlier.Schema != report.Schema {
		return fmt.Errorf("the folder %s holds a results.json that is not halfopen's: choose another with --out", folder)
	}
	files := summaries
	for _, result := range earlier.Claims {
		files = append(files, result.Pcapng...)
	}
	for _, file := range files {
		err := os.Remove(filepath.Join(folder, filepath.Base(file)))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("cannot remove what an earlier run left: %w", err)
		}
	}
	return nil
}
