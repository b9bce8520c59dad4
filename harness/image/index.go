package image

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// listed is one package of a suite's index, as far as kernels need it.
type listed struct {
	name, version string
	depends       []string // packages of kernels it depends on, names
	file          string   // path in the archive
	size          int64
	sha256        string
}

// A kernel's packages. Up to 6.18 linux-image-ABI holds kernel and modules; from 6.19 on it only
// depends on linux-binary-ABI (the kernel), linux-modules-ABI and linux-base-ABI (configuration and
// the list of what is built in). ABI is 6.12.117+deb13, 5.10.0-46 or 7.3.
var (
	kernelPackage = lazily(`^linux-(image|binary|binary-unsigned|modules|base)-(\d[0-9a-z.+~]*(?:-\d[0-9a-z.+~]*)?-(?:cloud-)?amd64)(-unsigned)?$`)
	dependency    = lazily(`^\s*(linux-[a-z]+-[^ (|]+)\s*(?:\([^)]*\))?\s*$`)
)

// lazily is an expression that is compiled when it is first needed: this program is started for every
// few specs, and few of its lives have to do with images.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// readIndex reads a suite's package index, and of it only the kernels' packages.
func readIndex(r io.Reader) ([]listed, error) {
	var found []listed
	lines := bufio.NewScanner(r)
	for stanza := range stanzas(lines) {
		name := stanza["package"]
		if !kernelPackage().MatchString(name) {
			continue
		}
		size, err := strconv.ParseInt(stanza["size"], 10, 64)
		file := stanza["filename"]
		if err != nil || len(stanza["sha256"]) != 64 || file == "" || strings.HasPrefix(file, "/") || slices.Contains(strings.Split(file, "/"), "..") {
			return nil, fmt.Errorf("the entry of %s is damaged", name)
		}
		p := listed{name: name, version: stanza["version"], file: file, size: size, sha256: strings.ToLower(stanza["sha256"])}
		for clause := range strings.SplitSeq(stanza["depends"], ",") {
			if m := dependency().FindStringSubmatch(strings.TrimSpace(clause)); m != nil && kernelPackage().MatchString(m[1]) {
				p.depends = append(p.depends, m[1])
			}
		}
		found = append(found, p)
	}
	return found, lines.Err()
}

// choose picks the packages of a series' kernel: the cloud flavour before the full one (a third of
// the size, and it has all that a guest needs), the newest version first, the signed package before
// the unsigned one; and of these the first of which everything is there. incomplete says what the
// newest one lacked.
func choose(index []listed, series string) (packages []listed, incomplete string) {
	var images []listed
	for _, p := range index {
		kind := kernelPackage().FindStringSubmatch(p.name)[1]
		meta := slices.ContainsFunc(p.depends, func(d string) bool { return strings.HasPrefix(d, "linux-image-") })
		if (kind == "image" || kind == "binary-unsigned") && !meta && seriesOf(p.version) == series {
			images = append(images, p)
		}
	}
	slices.SortStableFunc(images, func(a, b listed) int {
		order := func(less bool) int {
			if less {
				return -1
			}
			return 1
		}
		if cloudA, cloudB := strings.Contains(a.name, "-cloud-"), strings.Contains(b.name, "-cloud-"); cloudA != cloudB {
			return order(cloudA)
		}
		if c := compareVersions(b.version, a.version); c != 0 {
			return c
		}
		if unsignedA, unsignedB := strings.Contains(a.name, "unsigned"), strings.Contains(b.name, "unsigned"); unsignedA != unsignedB {
			return order(unsignedB)
		}
		return strings.Compare(a.name, b.name)
	})
	for _, image := range images {
		packages, lacking := withDependencies(index, image)
		if lacking == "" {
			return packages, ""
		}
		if incomplete == "" {
			incomplete = fmt.Sprintf("%s %s needs %s, which is not offered", image.name, image.version, lacking)
		}
	}
	return nil, incomplete
}

// withDependencies gives a package and those it depends on, all of the same version. lacking names
// the first that is needed and not there. linux-base-ABI is taken if it is there: the configuration
// it holds is not needed to boot.
func withDependencies(index []listed, image listed) (packages []listed, lacking string) {
	packages = []listed{image}
	match := kernelPackage().FindStringSubmatch(image.name)
	depends := image.depends
	if match[1] == "binary-unsigned" { // without linux-image-ABI nothing else leads to the modules
		depends = append(slices.Clone(depends), "linux-modules-"+match[2])
	}
	for i := 0; i < len(depends); i++ {
		name := depends[i]
		if slices.ContainsFunc(packages, func(p listed) bool { return p.name == name }) {
			continue
		}
		at := slices.IndexFunc(index, func(p listed) bool { return p.name == name && p.version == image.version })
		if at >= 0 {
			packages = append(packages, index[at])
			depends = append(slices.Clone(depends), index[at].depends...)
		} else if !strings.HasPrefix(name, "linux-base-") {
			return nil, name
		}
	}
	return packages, ""
}
