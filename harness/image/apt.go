package image

import (
	"bufio"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// aptSource is one configured archive: sources.list(5).
type aptSource struct {
	uris     []string
	suites   []string
	signedBy []string // paths of keyrings
	keys     string   // keys written into the file itself, armored
	file     string   // where it is configured
}

// aptSources reads what apt is configured with under root: sources.list, sources.list.d/*.list (one
// line each) and sources.list.d/*.sources (deb822). What cannot be read or understood is passed over,
// as apt's own errors are apt's to tell.
func aptSources(root string) []aptSource {
	etc := filepath.Join(root, "etc/apt")
	lists, _ := filepath.Glob(filepath.Join(escapeGlob(etc), "sources.list.d/*.list"))
	deb822, _ := filepath.Glob(filepath.Join(escapeGlob(etc), "sources.list.d/*.sources"))
	var sources []aptSource
	for _, path := range append([]string{filepath.Join(etc, "sources.list")}, lists...) {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if s, ok := oneLine(line); ok {
				s.file = path
				sources = append(sources, s)
			}
		}
	}
	for _, path := range deb822 {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for stanza := range stanzas(bufio.NewScanner(strings.NewReader(string(data)))) {
			if s, ok := fromStanza(stanza); ok {
				s.file = path
				sources = append(sources, s)
			}
		}
	}
	for i := range sources {
		sources[i].uris = expand(root, sources[i].uris)
	}
	return sources
}

// oneLine reads `deb [signed-by=FILE,... arch=...] URI SUITE COMPONENT...`.
func oneLine(line string) (aptSource, bool) {
	line, _, _ = strings.Cut(line, "#")
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb")
	if !ok || rest == "" || (rest[0] != ' ' && rest[0] != '\t' && rest[0] != '[') {
		return aptSource{}, false
	}
	rest = strings.TrimSpace(rest)
	var s aptSource
	if options, after, ok := strings.Cut(rest, "]"); ok && strings.HasPrefix(rest, "[") {
		for _, option := range strings.Fields(options[1:]) {
			key, value, _ := strings.Cut(option, "=")
			values := strings.Split(value, ",")
			switch strings.ToLower(key) {
			case "signed-by":
				s.signedBy = keyringPaths(values)
			case "arch":
				if !slices.Contains(values, "amd64") {
					return aptSource{}, false
				}
			}
		}
		rest = after
	}
	fields := strings.Fields(rest)
	if len(fields) < 3 { // a suite without components is a flat repository, which has no such index
		return aptSource{}, false
	}
	s.uris, s.suites = fields[:1], fields[1:2]
	return s, slices.Contains(fields[2:], "main")
}

func fromStanza(stanza map[string]string) (aptSource, bool) {
	if strings.EqualFold(stanza["enabled"], "no") || strings.EqualFold(stanza["enabled"], "false") {
		return aptSource{}, false
	}
	if arch := strings.Fields(stanza["architectures"]); len(arch) > 0 && !slices.Contains(arch, "amd64") {
		return aptSource{}, false
	}
	s := aptSource{uris: strings.Fields(stanza["uris"]), suites: strings.Fields(stanza["suites"])}
	if signed := stanza["signed-by"]; strings.Contains(signed, "-----BEGIN") {
		s.keys = embeddedKeys(signed)
	} else {
		s.signedBy = keyringPaths(strings.Fields(signed))
	}
	ok := slices.Contains(strings.Fields(stanza["types"]), "deb") &&
		slices.Contains(strings.Fields(stanza["components"]), "main")
	return s, ok && len(s.uris) > 0 && len(s.suites) > 0
}

// embeddedKeys undoes deb822's folding: lines begin with a space, an empty one is " .".
func embeddedKeys(value string) string {
	var b strings.Builder
	for line := range strings.Lines(value) {
		line = strings.TrimSpace(line)
		if line == "." {
			line = ""
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// keyringPaths leaves out fingerprints, which Signed-By may hold too.
func keyringPaths(values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return !strings.HasPrefix(v, "/") })
}

// expand resolves mirror+file: (a file with one address a line, which cloud images use) and leaves
// out what is not fetched by address, such as cdrom:.
func expand(root string, uris []string) []string {
	var out []string
	for _, uri := range uris {
		if list, ok := strings.CutPrefix(uri, "mirror+file:"); ok {
			data, err := os.ReadFile(filepath.Join(root, strings.TrimPrefix(list, "//")))
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(data)) {
				line, _, _ = strings.Cut(line, "#")
				if fields := strings.Fields(line); len(fields) > 0 {
					out = append(out, expand(root, fields[:1])...)
				}
			}
			continue
		}
		uri = strings.Replace(uri, "copy:", "file:", 1)
		if u, err := url.Parse(uri); err == nil && slices.Contains([]string{"http", "https", "file"}, u.Scheme) {
			out = append(out, strings.TrimRight(uri, "/"))
		}
	}
	return out
}

// stanzas reads deb822: fields until an empty line, a continued line begins with a blank. Keys are in
// lower case; continued lines keep their newlines.
func stanzas(lines *bufio.Scanner) func(yield func(map[string]string) bool) {
	lines.Buffer(make([]byte, 64<<10), 4<<20)
	return func(yield func(map[string]string) bool) {
		stanza, key := map[string]string{}, ""
		for lines.Scan() {
			line := lines.Text()
			switch {
			case strings.TrimSpace(line) == "":
				if len(stanza) > 0 && !yield(stanza) {
					return
				}
				stanza, key = map[string]string{}, ""
			case line[0] == '#':
			case line[0] == ' ' || line[0] == '\t':
				if key != "" {
					stanza[key] += "\n" + line
				}
			default:
				name, value, ok := strings.Cut(line, ":")
				if !ok {
					continue
				}
				key = strings.ToLower(name)
				stanza[key] = strings.TrimSpace(value)
			}
		}
		if len(stanza) > 0 {
			yield(stanza)
		}
	}
}

// aptProxy gives what apt.conf says of a proxy for a scheme (Acquire::http::Proxy): empty if it says
// nothing, "DIRECT" for none.
func aptProxy(root, scheme string) string {
	etc := filepath.Join(root, "etc/apt")
	parts, _ := filepath.Glob(filepath.Join(escapeGlob(etc), "apt.conf.d/*"))
	proxy := ""
	for _, path := range append(parts, filepath.Join(etc, "apt.conf")) { // the order apt reads them in
		if ext := filepath.Ext(path); ext != "" && ext != ".conf" {
			continue
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || err != nil {
			continue
		}
		for key, value := range aptConf(string(data)) {
			if key == "acquire::"+scheme+"::proxy" {
				proxy = value
			}
		}
	}
	return proxy
}

// aptConf yields the settings of an apt.conf file in order, KEY::KEY in lower case and value. Both
// spellings are read, `A::B "v";` and `A { B "v"; };`.
func aptConf(text string) func(yield func(key, value string) bool) {
	return func(yield func(key, value string) bool) {
		var scope []string // of each open brace
		var words []string
		for token := range aptTokens(text) {
			switch token {
			case "{":
				scope = append(scope, strings.Join(words, "::"))
				words = nil
			case "}":
				if len(scope) > 0 {
					scope = scope[:len(scope)-1]
				}
				words = nil
			case ";":
				if len(words) >= 2 {
					key := strings.ToLower(strings.Join(append(slices.Clone(scope), words[0]), "::"))
					if !yield(key, strings.Trim(words[1], `"`)) {
						return
					}
				}
				words = nil
			default:
				words = append(words, token)
			}
		}
	}
}

// aptTokens splits at blanks, braces and semicolons; quoted text is one token, comments are none.
func aptTokens(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i := 0; i < len(text); {
			rest := text[i:]
			n := 1
			switch c := text[i]; {
			case strings.HasPrefix(rest, "//"), c == '#':
				if n = strings.IndexByte(rest, '\n'); n < 0 {
					return
				}
			case strings.HasPrefix(rest, "/*"):
				if n = strings.Index(rest, "*/"); n < 0 {
					return
				}
				n += 2
			case c == '"':
				end := strings.IndexByte(rest[1:], '"')
				if end < 0 {
					return
				}
				n = end + 2
				if !yield(rest[:n]) {
					return
				}
			case strings.ContainsRune("{};", rune(c)):
				if !yield(rest[:1]) {
					return
				}
			case strings.ContainsRune(" \t\r\n", rune(c)):
			default:
				if n = strings.IndexAny(rest, " \t\r\n{};\""); n < 0 {
					n = len(rest)
				}
				if !yield(rest[:n]) {
					return
				}
			}
			i += n
		}
	}
}
