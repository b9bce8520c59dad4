package image

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// wanted is what a lab and its guest use, by the modules' names in any of the series. One that a
// series does not have (nft_counter went into nf_tables) or has built in is simply not there.
var wanted = []string{
	// The guest's devices: results, console and control go over virtio; a cable between guests too.
	"virtio", "virtio_ring", "virtio_pci", "virtio_mmio", "virtio_console", "virtio_rng", "virtio_blk", "virtio_net",
	// Hosts, switch and cables.
	"veth", "bridge", "dummy",
	// What the wire and the sockets are watched with.
	"af_packet", "inet_diag", "tcp_diag",
	// Firewalls, NAT and connection tracking. Nothing in a guest answers a request for a module, so
	// every expression that a rule may use is here.
	"nfnetlink", "nf_tables", "nf_tables_set",
	"nf_reject_ipv4", "nf_reject_ipv6", "nft_reject", "nft_reject_ipv4", "nft_reject_ipv6", "nft_reject_inet", "nft_reject_bridge", "nft_reject_netdev",
	"nf_conntrack", "nf_conntrack_netlink", "nf_conntrack_bridge", "nft_ct", "nft_connlimit",
	"nf_nat", "nft_chain_nat", "nft_nat", "nft_masq", "nft_redir",
	"nft_numgen", "nft_limit", "nft_quota", "nft_counter", "nft_hash", "nft_meta_bridge", "nft_log", "nf_log_syslog",
}

// moduleName is the module's name in /proc/modules: file names may have dashes.
func moduleName(name string) string { return strings.ReplaceAll(name, "-", "_") }

// moduleTree is a folder of modules, /lib/modules/RELEASE.
type moduleTree struct {
	files    map[string]string // module's name: path of its .ko, .ko.xz, .ko.zst or .ko.gz
	builtIn  map[string]bool
	unpacked map[string]*moduleFile
}

type moduleFile struct {
	contents []byte
	needs    []string // depends=, names
	before   []string // softdep=pre:, names or aliases
	aliases  []string
	release  string // first word of vermagic=
}

func readModuleTree(folder string) (*moduleTree, error) {
	tree := &moduleTree{files: map[string]string{}, builtIn: map[string]bool{}, unpacked: map[string]*moduleFile{}}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		base := entry.Name()
		for _, ending := range []string{".ko", ".ko.xz", ".ko.zst", ".ko.gz"} {
			if name, ok := strings.CutSuffix(base, ending); ok {
				tree.files[moduleName(name)] = path
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	builtIn, err := os.Open(filepath.Join(folder, "modules.builtin"))
	if errors.Is(err, fs.ErrNotExist) {
		return tree, nil
	} else if err != nil {
		return nil, err
	}
	defer builtIn.Close()
	lines := bufio.NewScanner(builtIn)
	for lines.Scan() {
		name := strings.TrimSuffix(filepath.Base(strings.TrimSpace(lines.Text())), ".ko")
		tree.builtIn[moduleName(name)] = true
	}
	return tree, lines.Err()
}

// maxModule is the largest module believed in; Debian's largest is under 10 MB.
const maxModule = 64 << 20

// get unpacks a module and reads its .modinfo; nil if the tree has no such module.
func (t *moduleTree) get(name string) (*moduleFile, error) {
	if m, ok := t.unpacked[name]; ok {
		return m, nil
	}
	path, ok := t.files[name]
	if !ok {
		return nil, nil
	}
	packed, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m := &moduleFile{}
	if m.contents, err = decompressAll(packed, maxModule); err != nil {
		return nil, fmt.Errorf("module %s cannot be unpacked: %w", path, err)
	}
	file, err := elf.NewFile(bytes.NewReader(m.contents))
	if err != nil {
		return nil, fmt.Errorf("module %s is no ELF file: %w", path, err)
	}
	defer file.Close()
	section := file.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("module %s has no .modinfo", path)
	}
	info, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("module %s: .modinfo: %w", path, err)
	}
	for field := range bytes.SplitSeq(info, []byte{0}) {
		key, value, _ := strings.Cut(string(field), "=")
		switch key {
		case "depends":
			for n := range strings.SplitSeq(value, ",") {
				if n != "" {
					m.needs = append(m.needs, moduleName(n))
				}
			}
		case "softdep":
			m.before = append(m.before, softBefore(value)...)
		case "alias":
			m.aliases = append(m.aliases, moduleName(value))
		case "vermagic":
			m.release, _, _ = strings.Cut(value, " ")
		}
	}
	t.unpacked[name] = m
	return m, nil
}

// softBefore gives the names after "pre:" in a softdep ("pre: crc32c post: other").
func softBefore(value string) []string {
	var names []string
	before := false
	for _, word := range strings.Fields(value) {
		if strings.HasSuffix(word, ":") {
			before = word == "pre:"
		} else if before {
			names = append(names, moduleName(word))
		}
	}
	return names
}

// provider finds the module behind a soft dependency, which may be an alias: libcrc32c of 5.10 wants
// "crc32c", which crc32c_generic provides, and does not load without it. The generic one is taken
// first, because one for a processor's instructions refuses to load where the guest lacks them.
// Empty: built in, or not there.
func (t *moduleTree) provider(alias string) (string, error) {
	for _, name := range []string{alias, alias + "_generic"} {
		if t.builtIn[name] {
			return "", nil
		}
		if _, ok := t.files[name]; ok {
			return name, nil
		}
	}
	var like []string
	for name := range t.files {
		if strings.HasPrefix(name, alias+"_") {
			like = append(like, name)
		}
	}
	slices.Sort(like)
	for _, name := range like {
		m, err := t.get(name)
		if err != nil {
			return "", err
		}
		if slices.Contains(m.aliases, alias) {
			return name, nil
		}
	}
	return "", nil
}

// order gives the wanted modules and all they need, in load order: what a module needs comes before
// it. The dependencies are read from the modules themselves (depends= in .modinfo, which modpost
// writes from the symbols used): Debian's packages have no modules.dep, depmod makes it at
// installation.
func (t *moduleTree) order(want []string) (load []Module, contents map[string][]byte, builtIn, absent []string, err error) {
	const (
		underway = iota + 1
		done
		missing
	)
	state := map[string]int{}
	contents = map[string][]byte{}
	var visit func(name string) (bool, error)
	visit = func(name string) (bool, error) {
		if state[name] != 0 || t.builtIn[name] {
			return state[name] != missing, nil // underway: a circle, which the kernel does not build
		}
		m, err := t.get(name)
		if err != nil {
			return false, err
		}
		if m == nil {
			state[name] = missing
			return false, nil
		}
		state[name] = underway
		var needs []string
		for _, need := range m.needs {
			ok, err := visit(need)
			if err != nil {
				return false, err
			}
			if !ok {
				state[name] = missing
				return false, nil
			}
			if !t.builtIn[need] {
				needs = append(needs, need)
			}
		}
		for _, alias := range m.before {
			soft, err := t.provider(alias)
			if err != nil {
				return false, err
			}
			if soft == "" || soft == name {
				continue
			}
			if ok, err := visit(soft); err != nil {
				return false, err
			} else if ok && !t.builtIn[soft] && !slices.Contains(needs, soft) {
				needs = append(needs, soft)
			}
		}
		state[name] = done
		load = append(load, Module{Name: name, Needs: needs})
		contents[name] = m.contents
		return true, nil
	}
	for _, name := range want {
		if t.builtIn[name] {
			builtIn = append(builtIn, name)
			continue
		}
		ok, err := visit(name)
		if err != nil {
			return nil, nil, nil, nil, err
		}
		if !ok {
			absent = append(absent, name)
		}
	}
	return load, contents, builtIn, absent, nil
}
