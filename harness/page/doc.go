// Package page writes report.html, a run's results for people: one file that needs no other and no
// network, for a browser, a phone and paper.
//
// What it says of a claim is text of the page. Its ladder diagrams, which are most of what there is,
// are not: those of specs that did not pass are drawn in the page, up to a number, and all others lie
// compressed beside their claim and are drawn when it is opened. So a page of 800 specs stays small, and
// one without JavaScript still shows what went wrong. The captures are linked, as they lie in the same
// folder.
//
// The same results and captures give the same bytes.
package page
