package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// PrepareFolder makes the results' folder and tries it by writing a file, so that an unwritable
// one is known before a run and not after it.
func PrepareFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return unwritable(dir, err)
	}
	trial, err := os.CreateTemp(dir, ".trial-*")
	if err != nil {
		return unwritable(dir, err)
	}
	return errors.Join(trial.Close(), os.Remove(trial.Name()))
}

// WriteFile writes path whole or not at all: into a file beside it, then a rename.
func WriteFile(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	beside, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*")
	if err != nil {
		return unwritable(dir, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(beside.Name())
			err = fmt.Errorf("%s could not be written: %w", path, err)
		}
	}()
	// CreateTemp's 0600 would hide a CI job's results from whoever collects them.
	_, err = beside.Write(data)
	if err = errors.Join(err, beside.Chmod(0o644), beside.Close()); err != nil {
		return err
	}
	return os.Rename(beside.Name(), path)
}

// unwritable says why the folder cannot take results and what to do about it.
func unwritable(dir string, err error) error {
	why := err
	var at *fs.PathError
	if errors.As(err, &at) {
		why = at.Err
	}
	cure := "choose another with --out"
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		cure = "a file is in the way; choose another with --out"
	case errors.Is(err, fs.ErrNotExist):
		cure = "make it, or choose another with --out"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		cure = "free some space, or choose another with --out"
	}
	return fmt.Errorf("the folder %s cannot take the results (%w): %s", dir, why, cure)
}
