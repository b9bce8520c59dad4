package page

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/halfopen/halfopen/harness/ladder"
	"github.com/halfopen/halfopen/harness/report"
	"github.com/halfopen/halfopen/harness/wire"
)

// Draw draws a capture's ladder as an element of a page.
func Draw(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("the capture could not be read: %w", err)
	}
	defer file.Close()
	recording, err := wire.ReadPcapng(file)
	if err != nil {
		return "", fmt.Errorf("the capture %s could not be read: %w", path, err)
	}
	return ladder.From(recording).Inline(), nil
}

// drawAll draws every spec's ladder, "" where there is no capture that can be read: the page is worth
// having without it, and the spec's own result says what became of its capture.
func drawAll(folder string, specs []report.SpecResult) []string {
	drawings := make([]string, len(specs))
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				// The name comes from a spec, in a guest perhaps: no path of it may lead out of the folder.
				drawings[i], _ = Draw(filepath.Join(folder, filepath.Base(specs[i].Pcapng)))
			}
		})
	}
	for i, spec := range specs {
		if spec.Pcapng != "" {
			next <- i
		}
	}
	close(next)
	workers.Wait()
	return drawings
}

// Pack compresses drawings as page.js unpacks them: base64 of gzip of a JSON array.
func Pack(drawings []string) (string, error) {
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(drawings); err != nil {
		return "", fmt.Errorf("ladders could not be packed: %w", err)
	}
	var packed bytes.Buffer
	writer, _ := gzip.NewWriterLevel(&packed, gzip.DefaultCompression) // the level is one there is
	_, err := writer.Write(plain.Bytes())
	if err == nil {
		err = writer.Close()
	}
	if err != nil {
		return "", fmt.Errorf("ladders could not be packed: %w", err)
	}
	return base64.StdEncoding.EncodeToString(packed.Bytes()), nil
}
