package report

import "fmt"

// How many lines of packets are kept of a spec, and how many of those a failure shows on a
// terminal. The capture's file has them all.
const (
	mostPackets   = 60
	firstPackets  = 16 // of mostPackets: the connection being made and the fault
	tailOfPackets = 24
)

// Ladder shortens the lines of a spec's packets to what a SpecResult carries: the beginning, the
// end, and between them a line that says how many are left out.
func Ladder(lines []string) []string {
	left := len(lines) - mostPackets + 1
	if len(lines) <= mostPackets {
		return lines
	}
	short := append([]string{}, lines[:firstPackets]...)
	short = append(short, fmt.Sprintf("... %d lines left out, which the capture has ...", left))
	return append(short, lines[firstPackets+left:]...)
}

// Tail is the end of a spec's packets, where a failure mostly shows.
func Tail(lines []string) []string { return lines[max(0, len(lines)-tailOfPackets):] }
