// Package ladder draws what crossed a lab's cables as a time-sequence diagram: a lane for each host,
// time downwards, an arrow for each segment, and faults, system calls and changes of state at the lane
// of the host they belong to.
//
// A Diagram is made of a wire.Recording and drawn as SVG or as text for a terminal. Both leave out
// time in which nothing happens and say how long it was (a Gap), and put a long run of the same
// exchange into one line (a Fold). Times count from the first segment; what happened before it is
// negative.
//
// The SVG's colours are custom properties (--ladder-...), light and dark; what tells the kinds of
// segments apart is also the line's pattern and the arrow's head. The same recording gives the same
// bytes.
package ladder
