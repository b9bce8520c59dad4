package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// SpecsFile is what the results of a run's specs are called in its folder: with them a page can be made of the
// run later, which needs what results.json merges.
const SpecsFile = "specs.json"

// SpecsJSON renders specs.json: a list of SpecResult, a line each.
func SpecsJSON(specs []SpecResult) ([]byte, error) {
	out := bytes.NewBufferString("[")
	for i, spec := range specs {
		var line bytes.Buffer
		encoder := json.NewEncoder(&line)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(spec); err != nil {
			return nil, fmt.Errorf("%s could not be made: %w", SpecsFile, err)
		}
		if i > 0 {
			out.WriteString(",")
		}
		out.WriteString("\n")
		out.Write(bytes.TrimSpace(line.Bytes()))
	}
	out.WriteString("\n]\n")
	return out.Bytes(), nil
}

// LoadSpecs reads the specs.json of a run's folder.
func LoadSpecs(folder string) ([]SpecResult, error) {
	path := filepath.Join(folder, SpecsFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s beside the results: a run by an older halfopen leaves none, so run it again", path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the specs of a run: %w", err)
	}
	var specs []SpecResult
	if err := json.Unmarshal(data, &specs); err != nil {
		return nil, fmt.Errorf("%s cannot be read by this halfopen: %w", path, err)
	}
	return specs, nil
}
