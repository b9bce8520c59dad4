package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// parts is what an image is made of: files and a folder that exist.
type parts struct {
	kernel   string // bzImage or ELF
	config   string // empty: none
	modules  string // /lib/modules/RELEASE; empty: none
	explicit bool   // the modules were named, so they must fit
}

// partsOfTree finds the parts in an unpacked package.
func partsOfTree(tree string) (parts, error) {
	var p parts
	one := func(patterns ...string) string {
		for _, pattern := range patterns {
			if found, _ := filepath.Glob(filepath.Join(escapeGlob(tree), pattern)); len(found) > 0 {
				return found[len(found)-1]
			}
		}
		return ""
	}
	p.kernel = one("boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz", "lib/modules/*/vmlinuz")
	p.config = one("boot/config-*", "usr/lib/modules/*/config", "lib/modules/*/config")
	p.modules = one("usr/lib/modules/*", "lib/modules/*")
	if p.kernel == "" {
		return p, because(ErrNotKernel, "the packages hold no kernel (no /boot/vmlinuz-* and no /usr/lib/modules/*/vmlinuz)")
	}
	return p, nil
}

// The names of an image's files in its folder.
const (
	kernelFile   = "vmlinux"
	bzImageFile  = "bzImage"
	configFile   = "config"
	moduleFolder = "modules"
)

// assemble puts an image together in folder. Its paths are relative to it. The origin is not set.
func (p *puller) assemble(from parts, folder string) (Image, error) {
	image := Image{Name: p.name, Kernel: kernelFile}
	data, err := readLimited(from.kernel, maxKernel)
	if errors.Is(err, fs.ErrPermission) {
		return image, because(ErrNotKernel, "%s may be read by root only: make a copy that you may read, or run `sudo chmod +r %s`", from.kernel, from.kernel)
	} else if err != nil {
		return image, err
	}
	name := filepath.Base(from.kernel)
	p.report(StepUnpack, name, 0, int64(len(data)))
	kernel := data
	switch {
	case isELF(data):
	case isBzImage(data):
		if kernel, err = unpackKernel(data); err != nil {
			return image, because(ErrNotKernel, "%s cannot be unpacked: %w", from.kernel, err)
		}
		image.BzImage = bzImageFile
		if err := p.write(folder, bzImageFile, data); err != nil {
			return image, err
		}
	default:
		return image, because(ErrNotKernel, "%s is neither a bzImage (vmlinuz) nor an ELF file (vmlinux): give a kernel for x86-64", from.kernel)
	}
	if image.Release, image.PVH, err = describeKernel(kernel); err != nil {
		return image, because(ErrNotKernel, "%s is not a Linux kernel that can be booted: %w", from.kernel, err)
	}
	if err := p.write(folder, kernelFile, kernel); err != nil {
		return image, err
	}
	p.report(StepUnpack, name, int64(len(data)), int64(len(data)))

	config := configInKernel(kernel)
	if from.config != "" {
		if config, err = os.ReadFile(from.config); err != nil {
			return image, err
		}
	}
	if config != nil {
		image.Config = configFile
		if m := configHZ().FindSubmatch(config); m != nil {
			image.HZ, _ = strconv.Atoi(string(m[1]))
		}
		if err := p.write(folder, configFile, config); err != nil {
			return image, err
		}
	}

	modules := from.modules
	if modules == "" {
		modules = modulesBeside(from.kernel, image.Release)
	}
	if from.explicit {
		if modules = modulesOf(from.modules, image.Release); modules == "" {
			return image, because(ErrNotKernel, "%s has no modules of %s, which is the release of %s", from.modules, image.Release, from.kernel)
		}
	}
	if modules == "" {
		return image, nil
	}
	return image, p.addModules(&image, modules, folder)
}

func (p *puller) addModules(image *Image, from, folder string) error {
	tree, err := readModuleTree(from)
	if err != nil {
		return err
	}
	load, contents, builtIn, absent, err := tree.order(wanted)
	if err != nil {
		return err
	}
	for _, m := range load {
		if r := tree.unpacked[m.Name].release; r != "" && r != image.Release {
			return because(ErrNotKernel, "the module %s in %s is built for %s, and the kernel is %s", m.Name, from, r, image.Release)
		}
	}
	if len(load) > 0 {
		if err := os.Mkdir(filepath.Join(folder, moduleFolder), 0o755); err != nil {
			return noSpace(err, p.cache)
		}
	}
	for i := range load {
		load[i].Path = filepath.Join(moduleFolder, load[i].Name+".ko")
		if err := p.write(folder, load[i].Path, contents[load[i].Name]); err != nil {
			return err
		}
	}
	image.Modules, image.BuiltIn, image.Absent = load, builtIn, absent
	return nil
}

// modulesBeside looks for the modules of a kernel that was given as a file: a modules folder beside
// it, by any of the layouts in use.
func modulesBeside(kernel, release string) string {
	beside := filepath.Dir(kernel)
	for _, folder := range []string{"modules", "modules-" + release, release, "lib/modules/" + release, "usr/lib/modules/" + release, "../lib/modules/" + release} {
		if found := modulesOf(filepath.Join(beside, folder), release); found != "" {
			return found
		}
	}
	return ""
}

// modulesOf finds the modules of a release in a folder: the folder itself, or where in it
// `make modules_install` and packages put them.
func modulesOf(folder, release string) string {
	for _, sub := range []string{release, "lib/modules/" + release, "usr/lib/modules/" + release, "."} {
		path := filepath.Join(folder, sub)
		for _, sign := range []string{"kernel", "modules.builtin", "modules.order"} {
			if _, err := os.Stat(filepath.Join(path, sign)); err == nil {
				return path
			}
		}
	}
	return ""
}

func readLimited(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, because(ErrNotKernel, "%s has %d bytes, more than any kernel: strip its debug information (objcopy --strip-debug)", path, info.Size())
	}
	return os.ReadFile(path)
}

func (p *puller) write(folder, name string, data []byte) error {
	if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
		return fmt.Errorf("%s: %w", p.name, noSpace(err, p.cache))
	}
	return nil
}
