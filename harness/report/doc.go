// Package report tells what a run found out: results.json, junit.xml, KTAP and the lines on the terminal.
//
// A SpecResult is what one spec proved; it crosses a pipe from the spec's process as JSON. The
// specs of one claim over one family (its cases) merge into one Result, and the Results of a run
// make a Run, which is results.json (fixtures/results.schema.json, halfopen.results/v1). The specs
// themselves are kept beside it in specs.json, for a page that is made later.
//
// Times are seconds as float64, rounded to microseconds. Every list is in the catalogue's order,
// then IPv4 before IPv6, then by case, so that two runs differ only where the kernel did.
package report
