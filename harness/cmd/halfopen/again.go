package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// program is how the user called this program: what a command begins with that is to be typed again.
func program() string { return programOf(os.Args[0]) }

// programOf is a program's name as it was called, for a shell. What `go run` and `go test` build is gone when
// it ends, or has a name that nobody types: there it is the command for the checkout.
func programOf(called string) string {
	if strings.Contains(called, "go-build") || cached.MatchString(filepath.Dir(called)) || filepath.Ext(called) == ".test" {
		return "go run ./harness/cmd/halfopen"
	}
	return quoted(called)
}

// cached is the end of a folder in which Go's build cache keeps an executable: a hash and -d.
var cached = regexp.MustCompile(`/[0-9a-f]{64}-d$`)

// quoted is a word as a shell takes it.
func quoted(word string) string {
	if regexp.MustCompile(`^[A-Za-z0-9_./:,=+@%-]+$`).MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// again are the flags with which a run in guests is made once more.
func (f guestFlags) again(kernel string) []string {
	words := []string{"--kernel", quoted(kernel)}
	if f.Clock != defaultGuestFlags.Clock {
		words = append(words, "--clock", f.Clock)
	}
	if f.Seed != defaultGuestFlags.Seed {
		words = append(words, "--seed", strconv.FormatUint(f.Seed, 10))
	}
	if f.Append != "" {
		words = append(words, "--append", quoted(f.Append))
	}
	if f.Memory != defaultGuestFlags.Memory {
		words = append(words, "--memory", strconv.Itoa(f.Memory))
	}
	return words
}
