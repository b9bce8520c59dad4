// Package baseline keeps what a kernel did, for later kernels to be compared with: fixtures/baselines.
//
// A Baseline is a run (package report) without what two runs of the same kernel do not share: the date,
// how long it took, the captures. It is written as halfopen.baseline/v1 (fixtures/baseline.schema.json),
// the same bytes for the same run, a line a verdict, so that a repository shows what changed.
package baseline
