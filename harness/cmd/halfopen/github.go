package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/halfopen/halfopen/harness/report"
)

// github is a job of GitHub Actions that the program runs in.
type github struct {
	commands io.Writer // of the workflow; a job reads both outputs, so it is standard error
	summary  string    // the file that becomes the job's summary; empty if there is none
	source   string    // the folder of the sources, relative to which files are annotated
}

// inGitHub tells whether a job runs the program (https://docs.github.com/actions/reference/workflows-and-actions/variables).
func inGitHub() (github, bool) {
	return github{commands: os.Stderr, summary: os.Getenv("GITHUB_STEP_SUMMARY"), source: os.Getenv("GITHUB_WORKSPACE")},
		os.Getenv("GITHUB_ACTIONS") == "true"
}

// annotate writes an annotation for each spec that failed or broke; on names the kernel where there are several.
func (g github) annotate(specs []report.SpecResult, on string) {
	for _, spec := range specs {
		level := ""
		switch spec.Verdict {
		case report.Fail:
			level = "error"
		case report.Broken:
			level = "warning"
		default:
			continue
		}
		title := spec.Title()
		if on != "" {
			title += " on " + on
		}
		properties := "title=" + escapeProperty(title)
		if file, line, known := strings.Cut(spec.Location, ":"); known && g.has(file) {
			properties = fmt.Sprintf("file=%s,line=%s,%s", escapeProperty(file), escapeProperty(line), properties)
		}
		_, _ = fmt.Fprintf(g.commands, "::%s %s::%s\n", level, properties, escapeData(strings.TrimSpace(spec.Reason)))
	}
}

// warn writes an annotation that belongs to no file: level is error or warning.
func (g github) warn(level, title, text string) {
	_, _ = fmt.Fprintf(g.commands, "::%s title=%s::%s\n", level, escapeProperty(title), escapeData(text))
}

// has tells whether a file of the sources is in the job's checkout.
func (g github) has(file string) bool {
	if g.source == "" || filepath.IsAbs(file) {
		return false
	}
	_, err := os.Stat(filepath.Join(g.source, file))
	return err == nil
}

// summarize adds Markdown to the job's summary.
func (g github) summarize(markdown []byte) error {
	if g.summary == "" || len(markdown) == 0 {
		return nil
	}
	file, err := os.OpenFile(g.summary, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("the job's summary cannot be written: %w", err)
	}
	_, err = file.Write(append(markdown, '\n'))
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("the job's summary cannot be written: %w", err)
	}
	return nil
}

// Workflow commands escape what would end them.
var (
	escapeData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace
	escapeProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace
)

// tellGitHub annotates a job with what a run found and adds the run's table to its summary; elsewhere it does
// nothing.
func tellGitHub(specs []report.SpecResult, on string, markdown []byte) error {
	job, here := inGitHub()
	if !here {
		return nil
	}
	job.annotate(specs, on)
	return job.summarize(markdown)
}
