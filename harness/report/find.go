package report

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Find gives the results.json files that a path stands for: itself, the one in the folder, or those of the
// folders in it, in the order of their names (a folder per kernel, as `halfopen matrix` leaves it, or per
// run). The error says in one sentence what there is instead.
func Find(path string) ([]string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("there is no %s: `halfopen run` writes results into the folder that --out names", path)
	case err != nil:
		return nil, fmt.Errorf("cannot read the results: %w", err)
	case !info.IsDir():
		return []string{path}, nil
	}
	if own := filepath.Join(path, ResultsFile); isFile(own) {
		return []string{own}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the results: %w", err)
	}
	var found []string
	for _, entry := range entries {
		if file := filepath.Join(path, entry.Name(), ResultsFile); isFile(file) {
			found = append(found, file)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("the folder %s holds no %s, nor does a folder in it: `halfopen run` and `halfopen matrix` write them where --out says", path, ResultsFile)
	}
	return found, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
