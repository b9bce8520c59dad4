package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/kernel"
	"github.com/halfopen/halfopen/harness/matrix"
	"github.com/halfopen/halfopen/harness/report"
)

type reportCommand struct {
	Folders []string `arg:"" name:"folder" help:"Folders of runs, of matrices, or with such folders in them."`
	Out     string   `default:"halfopen-matrix" type:"path" help:"The folder for matrix.html, matrix.json and matrix.txt."`
}

// Run joins what was run before, here or on other machines; nothing is run.
func (c *reportCommand) Run(ctx context.Context) error {
	catalogue, err := claim.Load()
	if err != nil {
		return err
	}
	j := joiner{out: c.Out, from: map[string]string{}}
	for _, folder := range c.Folders {
		if err := j.add(folder, true); err != nil {
			return err
		}
	}
	if err := report.PrepareFolder(c.Out); err != nil {
		return err
	}
	slices.SortStableFunc(j.columns, func(a, b matrix.Column) int {
		return cmp.Or(versionOf(a).Compare(versionOf(b)), cmp.Compare(a.Name, b.Name))
	})
	b := newBoard(os.Stdout, 0)
	m, err := writeMatrix(c.Out, catalogue, j.columns, b)
	fmt.Printf("results  %s, matrix.json, matrix.txt of %d kernels\n", filepath.Join(c.Out, "matrix.html"), len(j.columns))
	if err := errors.Join(err, tellGitHubOfKernels(m, j.columns)); err != nil {
		return err
	}
	if code := m.ExitCode(); code != 0 {
		return verdictError(code)
	}
	return nil
}

// joiner collects columns.
type joiner struct {
	out     string
	columns []matrix.Column
	from    map[string]string // the folder of each kernel
}

// add takes a folder's matrix or run, or those of the folders in it.
func (j *joiner) add(folder string, deeper bool) error {
	before := len(j.columns)
	switch {
	case exists(filepath.Join(folder, report.ResultsFile)):
		return j.addRun(folder, matrix.Column{})
	case exists(filepath.Join(folder, matrixFile)):
		if err := j.addMatrix(folder); err != nil {
			return err
		}
	}
	if !deeper {
		return nil
	}
	// A matrix that was joined earlier may know only some of the folders beside it.
	entries, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no folder %s: `halfopen run` and `halfopen matrix` leave one, where --out says", folder)
	}
	if err != nil {
		return fmt.Errorf("cannot read the folder %s: %w", folder, err)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := j.add(filepath.Join(folder, entry.Name()), false); err != nil {
				return err
			}
		}
	}
	if len(j.columns) == before {
		return fmt.Errorf("the folder %s holds no results, nor does a folder in it: `halfopen run` and `halfopen matrix` write them where --out says", folder)
	}
	return nil
}

// addMatrix takes the kernels of a matrix, those that did not run as well.
func (j *joiner) addMatrix(folder string) error {
	path := filepath.Join(folder, matrixFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read a matrix: %w", err)
	}
	var joined matrix.Matrix
	if err := json.Unmarshal(data, &joined); err != nil || joined.Schema != matrix.Schema {
		return fmt.Errorf("%s is no matrix of halfopen (%s)", path, matrix.Schema)
	}
	for _, k := range joined.Kernels {
		column := matrix.Column{Name: k.Name, WallSeconds: k.WallSeconds, Problem: k.Problem, Complaints: k.Complaints}
		if k.Ran() {
			err = j.addRun(filepath.Join(folder, k.Folder), column)
		} else {
			err = j.take(column, folder)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addRun takes the run of a folder as a column, which may have a name already.
func (j *joiner) addRun(folder string, column matrix.Column) (err error) {
	if column.Run, err = report.Load(folder); err != nil {
		return err
	}
	if column.Specs, err = report.LoadSpecs(folder); err != nil {
		return err
	}
	// What a whole system tells of itself stands beside the results; most runs have none.
	system, err := os.ReadFile(filepath.Join(folder, systemFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot read what the system is: %w", err)
	}
	column.System = string(system)
	if column.Name == "" {
		column.Name = cmp.Or(column.Run.Kernel.Name, column.Run.Kernel.Release)
		if !column.Run.Complete {
			column.Problem = fmt.Sprintf("interrupted after %d specs", len(column.Specs))
		}
	}
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return fmt.Errorf("cannot tell where %s lies: %w", folder, err)
	}
	if column.Folder, err = filepath.Rel(j.out, absolute); err != nil {
		return fmt.Errorf("cannot tell where %s lies from %s: %w", folder, j.out, err)
	}
	column.Folder = filepath.ToSlash(column.Folder)
	return j.take(column, folder)
}

// systemFile is what a machine of vagrant/ writes of its system, in lines.
const systemFile = "settings.txt"

// take adds a column. The same run again, and a kernel that did not run where it did elsewhere, add nothing.
func (j *joiner) take(column matrix.Column, folder string) error {
	at := slices.IndexFunc(j.columns, func(c matrix.Column) bool { return c.Name == column.Name })
	ran := func(c matrix.Column) bool { return c.Run.Kernel.Release != "" }
	switch {
	case at < 0:
		j.columns = append(j.columns, column)
	case !ran(column), j.columns[at].Folder == column.Folder:
		return nil
	case !ran(j.columns[at]):
		j.columns[at] = column
	default:
		return fmt.Errorf("%s and %s are both of %s: name one of them", j.from[column.Name], folder, column.Name)
	}
	j.from[column.Name] = folder
	return nil
}

// versionOf is a column's kernel's, or what its name says of one that did not run.
func versionOf(column matrix.Column) kernel.Version {
	if v, err := kernel.ParseRelease(column.Run.Kernel.Release); err == nil {
		return v
	}
	v, _ := kernel.ParseRelease(matrix.Kernel{Name: column.Name}.Label())
	return v
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// writeMatrix makes a matrix of columns, writes it and prints the table.
func writeMatrix(out string, catalogue *claim.Catalogue, columns []matrix.Column, b *board) (*matrix.Matrix, error) {
	m := matrix.New(catalogue, columns)
	written, err := m.JSON()
	if err != nil {
		return m, err
	}
	page, err := m.HTML(out)
	if err != nil {
		return m, err
	}
	err = errors.Join(
		report.WriteFile(filepath.Join(out, matrixFile), written),
		report.WriteFile(filepath.Join(out, "matrix.html"), page),
		report.WriteFile(filepath.Join(out, "matrix.txt"), []byte(m.Text(0, false))),
	)
	fmt.Printf("\n%s\n", m.Text(b.width(), b.color))
	return m, err
}

// tellGitHubOfKernels annotates a job with what kernels broke and adds a line for each to its summary.
func tellGitHubOfKernels(m *matrix.Matrix, columns []matrix.Column) error {
	for _, column := range columns {
		if err := tellGitHub(column.Specs, column.Name, nil); err != nil {
			return err
		}
	}
	return tellGitHub(nil, "", m.Markdown())
}
