// Package claim is the catalogue of claims: what a kernel does when a connection breaks, one
// sentence each, with the level and the sources that say so.
//
// A claim has an ID of two parts, STORY/NAME (host-crash/reboot-rst). A story is the kind of
// break. A sabotage is a way of taking a claim's behaviour away, so that its specs can be seen to
// fail. The catalogue is fixtures/claims.yaml, whose head describes the format; it is embedded.
package claim
