package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/halfopen/halfopen/harness/internal/filelock"
)

// manifest is an image's manifest.json. The paths in it are relative to its folder.
type manifest struct {
	Format int                `json:"format"`
	Stamp  string             `json:"stamp,omitempty"` // maker.stamp
	Image  Image              `json:"image"`
	Files  map[string]fileSum `json:"files"`
}

type fileSum struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

const (
	manifestFile   = "manifest.json"
	manifestFormat = 1
)

// cacheFolder is where the images are; it need not exist yet.
func cacheFolder(asked string) (string, error) {
	if asked != "" {
		return filepath.Abs(asked)
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("there is no folder for the images: set HOME or XDG_CACHE_HOME, or give --cache FOLDER: %w", err)
	}
	return filepath.Join(user, "halfopen", "images"), nil
}

// cached gives the image from the cache, or makes it under a lock and puts it there.
func (p *puller) cached(ctx context.Context, m maker) (Image, error) {
	if err := os.MkdirAll(p.cache, 0o755); err != nil {
		return Image{}, fmt.Errorf("the folder of the images cannot be made: %w", noSpace(err, p.cache))
	}
	unlock, err := p.lock(ctx, m.key())
	if err != nil {
		return Image{}, err
	}
	defer unlock()

	folder := filepath.Join(p.cache, m.key())
	have, stamp, openErr := openImage(folder)
	if openErr == nil && stamp == m.stamp() && !p.options.Refresh {
		have.Name = p.name
		return have, nil
	}
	// Made beside its place, in the same file system, and moved there whole. The name is fixed: what
	// a killed process left is cleared by the next one that holds the lock.
	part := filepath.Join(p.cache, "."+m.key()+".part")
	if err := os.RemoveAll(part); err != nil {
		return Image{}, err
	}
	if err := os.Mkdir(part, 0o755); err != nil {
		return Image{}, noSpace(err, p.cache)
	}
	defer os.RemoveAll(part)
	image, err := m.make(ctx, part)
	if err != nil {
		if openErr != nil && !errors.Is(openErr, fs.ErrNotExist) {
			err = fmt.Errorf("the cached image is damaged (%w) and cannot be made again: %w", openErr, err)
		}
		return Image{}, err
	}
	if err := writeManifest(part, m.stamp(), image); err != nil {
		return Image{}, noSpace(err, p.cache)
	}
	if err := os.RemoveAll(folder); err != nil {
		return Image{}, err
	}
	if err := os.Rename(part, folder); err != nil {
		return Image{}, fmt.Errorf("the image cannot be put in its place: %w", err)
	}
	image, _, err = openImage(folder)
	return image, err
}

// lock keeps others from making the same image at the same time.
func (p *puller) lock(ctx context.Context, key string) (unlock func(), err error) {
	unlock, err = filelock.Wait(ctx, filepath.Join(p.cache, "."+key+".lock"), func() { p.report(StepWait, key, 0, 0) })
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("the folder of the images cannot be locked: %w", noSpace(err, p.cache))
	}
	return unlock, err
}

func writeManifest(folder, stamp string, image Image) error {
	m := manifest{Format: manifestFormat, Stamp: stamp, Files: map[string]fileSum{}}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		sum, size, err := hashFile(path)
		m.Files[name] = fileSum{sum, size}
		image.Bytes += size
		return err
	})
	if err != nil {
		return err
	}
	m.Image = image
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, manifestFile), append(data, '\n'), 0o644)
}

// readManifest reads an image's manifest without looking at its files.
func readManifest(folder string) (manifest, error) {
	var m manifest
	data, err := os.ReadFile(filepath.Join(folder, manifestFile))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("%s: %w", manifestFile, err)
	}
	if m.Format != manifestFormat {
		return m, fmt.Errorf("%s: format %d is not %d", manifestFile, m.Format, manifestFormat)
	}
	i := &m.Image
	i.TookFrom = folder
	paths := []*string{&i.Kernel, &i.BzImage, &i.Config}
	for n := range i.Modules {
		paths = append(paths, &i.Modules[n].Path)
	}
	for _, path := range paths {
		if *path == "" {
			continue
		}
		if _, ok := m.Files[*path]; !ok {
			return m, fmt.Errorf("%s: %s is not among its files", manifestFile, *path)
		}
		*path = filepath.Join(folder, *path)
	}
	return m, nil
}

// openImage reads an image and verifies every file of it; fs.ErrNotExist if there is none.
func openImage(folder string) (image Image, stamp string, err error) {
	m, err := readManifest(folder)
	if err != nil {
		return Image{}, "", err
	}
	for name, want := range m.Files {
		if !filepath.IsLocal(name) {
			return Image{}, "", fmt.Errorf("%s: %s lies outside", manifestFile, name)
		}
		sum, size, err := hashFile(filepath.Join(folder, name))
		if errors.Is(err, fs.ErrNotExist) {
			return Image{}, "", fmt.Errorf("%s is missing", filepath.Join(folder, name))
		} else if err != nil {
			return Image{}, "", err
		}
		if sum != want.SHA256 || size != want.Size {
			return Image{}, "", fmt.Errorf("%s was changed", filepath.Join(folder, name))
		}
	}
	return m.Image, m.Stamp, nil
}

// Cached lists the images in the cache by name. Their files are not verified; Pull does that.
func Cached(options Options) ([]Image, error) {
	cache, err := cacheFolder(options.Cache)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(cache)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var images []Image
	for _, entry := range entries {
		if !entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if m, err := readManifest(filepath.Join(cache, entry.Name())); err == nil {
			images = append(images, m.Image)
		}
	}
	slices.SortFunc(images, func(a, b Image) int { return compareVersions(a.Name, b.Name) })
	return images, nil
}

func hashFile(path string) (sum string, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	hash := sha256.New()
	size, err = io.Copy(hash, file)
	return hex.EncodeToString(hash.Sum(nil)), size, err
}
