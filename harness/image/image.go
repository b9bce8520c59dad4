package image

import "slices"

// Image is a kernel ready to be booted. Its paths are absolute and lie in the cache.
type Image struct {
	Name     string   `json:"name"`               // as asked for: debian:6.12, installed, a path
	Release  string   `json:"release"`            // what uname -r will say in the guest
	Kernel   string   `json:"kernel"`             // the kernel as an ELF file
	PVH      bool     `json:"pvh"`                // Kernel has the Xen note that direct (PVH) boot needs
	BzImage  string   `json:"bzimage,omitempty"`  // the compressed original; empty if the source was an ELF file
	Config   string   `json:"config,omitempty"`   // the kernel's configuration; empty if it came without one
	HZ       int      `json:"hz,omitempty"`       // CONFIG_HZ; 0 if Config is empty
	Modules  []Module `json:"modules,omitempty"`  // in load order
	Absent   []string `json:"absent,omitempty"`   // wanted, but neither a module nor known to be built in
	Origin   Origin   `json:"origin"`             // where it comes from
	Bytes    int64    `json:"bytes"`              // what it takes in the cache
	BuiltIn  []string `json:"built_in,omitempty"` // wanted, and built into the kernel
	TookFrom string   `json:"-"`                  // the image's folder
}

// Module is one kernel module, decompressed.
type Module struct {
	Name  string   `json:"name"`            // with underscores, as in /proc/modules
	Path  string   `json:"path"`            // the .ko file
	Needs []string `json:"needs,omitempty"` // names of the modules that must be loaded before, direct ones only
}

// Origin is where an image comes from.
type Origin struct {
	Suite    string    `json:"suite,omitempty"`     // the archive's suite; empty for what lay on this machine
	SignedBy string    `json:"signed_by,omitempty"` // the key that signed the suite; empty: not verified by a signature
	Package  string    `json:"package,omitempty"`
	Version  string    `json:"version,omitempty"`
	SHA256   string    `json:"sha256"`             // of the package, or of the file
	Packages []Package `json:"packages,omitempty"` // every package that was unpacked, Package's own first
	Path     string    `json:"path,omitempty"`     // the local file or folder
}

// Package is one .deb file that was unpacked.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"`
}

// Load gives the modules to load, in order, so that those named can be used: the named ones and
// whatever they need. A name that is built in or absent adds nothing.
func (i Image) Load(names ...string) []Module {
	need := map[string]bool{}
	for _, name := range names {
		need[moduleName(name)] = true
	}
	// Modules is in load order, so from its end every user of a module is met before the module.
	var load []Module
	for _, m := range slices.Backward(i.Modules) {
		if !need[m.Name] {
			continue
		}
		load = append(load, m)
		for _, n := range m.Needs {
			need[n] = true
		}
	}
	slices.Reverse(load)
	return load
}
