package vm

import (
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// libraryFolders are where a dynamic loader looks without a cache (ld.so(8)), which an initramfs
// does not have: Debian's, then everybody else's.
var libraryFolders = []string{
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib",
}

// libraries are the files that a program needs beside itself, by the path at which they are looked
// for: the dynamic loader and, down to the last, the shared libraries. A static program needs none.
// `go run` links dynamically wherever there is a C compiler, because package net does.
func libraries(program string) ([]string, error) {
	loader, needed, err := dynamic(program)
	if err != nil || loader == "" {
		return nil, err
	}
	files := []string{loader}
	for len(needed) > 0 {
		path, err := findLibrary(needed[0])
		if err != nil {
			return nil, err
		}
		needed = needed[1:]
		if slices.Contains(files, path) || filepath.Base(path) == filepath.Base(loader) {
			continue
		}
		files = append(files, path)
		_, more, err := dynamic(path)
		if err != nil {
			return nil, err
		}
		needed = append(needed, more...)
	}
	return files, nil
}

// dynamic is what an ELF file says of the loader it wants, empty for none, and of the libraries.
func dynamic(path string) (loader string, needed []string, err error) {
	file, err := elf.Open(path)
	if err != nil {
		return "", nil, fmt.Errorf("cannot look at the program for the guest: %w", err)
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			name, err := io.ReadAll(segment.Open())
			if err != nil {
				return "", nil, fmt.Errorf("cannot read which loader %s wants: %w", path, err)
			}
			loader = strings.TrimRight(string(name), "\x00")
		}
	}
	needed, err = file.ImportedLibraries()
	if err != nil {
		return "", nil, fmt.Errorf("cannot read which libraries %s wants: %w", path, err)
	}
	return loader, needed, nil
}

func findLibrary(name string) (string, error) {
	for _, folder := range libraryFolders {
		path := filepath.Join(folder, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", because(ErrNotStatic, nil, "the program needs %s, which is in none of %s: build it with CGO_ENABLED=0", name, strings.Join(libraryFolders, ", "))
}
