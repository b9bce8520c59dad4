// Package matrix puts the runs of several kernels side by side: claims down, kernels across.
//
// A Column is one kernel's run, or the sentence that says why there is none; a Row is a claim over a
// family; a Cell is a kernel's verdict on it with what was observed. A cell differs if it is not as
// the nearest kernel to its left that has anything to say (see differences). The matrix is written
// as matrix.json (fixtures/matrix.schema.json, halfopen.matrix/v1), as plain text for a terminal
// and as matrix.html, one file that needs no other and no network.
//
// Times are seconds. Columns stay in the order they are given in, rows are in the catalogue's.
package matrix
