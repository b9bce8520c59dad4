// Package compare holds what two kernels did about the claims against each other, and says what the
// difference means for an application: the check after a kernel upgrade.
//
// # Words
//
//   - A side is one kernel's runs under one profile: OLD or NEW. It is several runs where the wall clock makes
//     one too few to tell a change from noise.
//   - A change is a claim over one family or both about which the sides have another verdict, or another
//     observation under the same verdict, by the rule of package differ.
//   - A meaning is a sentence on what a change is to an application. It is derived from what the
//     observation bears on (report.Bearing), never written for one claim; what is special to a claim stands in
//     the catalogue's expectations and in fixtures/releases.yaml.
//
// Times are seconds. Changes are in the catalogue's order.
package compare
